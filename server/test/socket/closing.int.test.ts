/** The end of a socket: GOAWAY, shutdown, clients that vanish, and clients that answer no ping. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConsumeSegmentRequestSchema, ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { createStreamkit, memoryStorage, type Streamkit } from "../../src/index.ts";
import { KIND, type RawResult, RawSocket } from "./raw-socket.ts";

const storeId = "11111111-2222-4333-8444-555555555555";
const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const CONSUME = "/streamkit.v1.StreamService/ConsumeSegment";
const nothing = Buffer.alloc(0);
const follow = toBinary(
  ConsumeSegmentRequestSchema,
  create(ConsumeSegmentRequestSchema, { storeId, space: "s", segment: "a", follow: true }),
);

/** Calls that have reached the server and wait until they may go on. */
const waiting: (() => void)[] = [];
const open: Streamkit[] = [];
afterEach(async () => {
  for (const proceed of waiting.splice(0)) proceed();
  for (const streamkit of open.splice(0)) await streamkit.close();
});

async function start(keepAliveMillis?: number) {
  const streamkit = createStreamkit({
    storage: memoryStorage(),
    limits: { streams: 1 },
    onEvent: () => undefined,
    interceptors: [
      (next) => async (request) => {
        if (request.header.get("x-wait") === "1") await new Promise<void>((resolve) => waiting.push(resolve));
        return next(request);
      },
    ],
  });
  open.push(streamkit);
  const listener = await streamkit.listen({ port: 0, ...(keepAliveMillis !== undefined && { keepAliveMillis }) });
  return { streamkit, url: listener.url };
}

const held = { path: INFO, message: nothing, headers: [["x-wait", "1"]] } as const;
const reasonOf = ({ details }: RawResult) =>
  ErrorReason[fromBinary(ErrorDetailSchema, details[0]?.value as Buffer).reason];

describe("a server that closes", () => {
  it("finishes the calls that it has, and refuses others", async () => {
    const { streamkit, url } = await start();
    using socket = await RawSocket.open(url);
    const id = socket.request(held);
    const following = socket.request({ path: CONSUME, message: follow });
    await expect.poll(() => waiting.length).toBe(1);
    const closed = streamkit.close();
    await socket.until(() => socket.of(0, KIND.goaway).length === 1);
    expect(reasonOf(await socket.result(following))).toBe("SHUTTING_DOWN");
    expect(reasonOf(await socket.call({ path: INFO, message: nothing }))).toBe("SHUTTING_DOWN");
    expect(socket.of(id)).toEqual([]);
    waiting.pop()?.();
    expect((await socket.result(id)).code).toBe(0);
    expect((await socket.closed).code).toBe(1001);
    await closed;
  });

  it("closes a socket without calls at once", async () => {
    const { streamkit, url } = await start();
    using socket = await RawSocket.open(url);
    await streamkit.close();
    expect((await socket.closed).code).toBe(1001);
    expect(socket.of(0, KIND.goaway)).toHaveLength(1);
  });

  it("waits no longer than its grace for calls, and for clients that read nothing", { timeout: 30_000 }, async () => {
    const { streamkit, url } = await start();
    using stuck = await RawSocket.open(url);
    using deaf = await RawSocket.open(url);
    stuck.request(held);
    await expect.poll(() => waiting.length).toBe(1);
    deaf.socket.pause();
    await streamkit.close();
    expect((await stuck.closed).code).toBe(1006);
  });
});

describe("a client that", () => {
  it.each(["closes", "vanishes"])("%s leaves nothing behind", async (how) => {
    const { url } = await start();
    for (let round = 0; round < 3; round++) {
      const socket = await RawSocket.open(url);
      // The server has room for one stream: the last one must be gone.
      let id = socket.request({ path: CONSUME, message: follow });
      await expect
        .poll(async () => {
          if (socket.of(id, KIND.result).length > 0) id = socket.request({ path: CONSUME, message: follow });
          await socket.call({ path: INFO, message: nothing });
          return socket.of(id, KIND.result).length;
        })
        .toBe(0);
      if (how === "closes") socket.socket.close(1000);
      else socket.socket.terminate();
      await socket.closed;
    }
  });

  it("answers no ping is closed with 4408", async () => {
    const { url } = await start(50);
    using socket = await RawSocket.open(url, { autoPong: false });
    expect((await socket.closed).code).toBe(4408);
  });

  it("reads and answers nothing is gone within two intervals and the time to close", async () => {
    const { url } = await start(50);
    using socket = await RawSocket.open(url);
    socket.request({ path: CONSUME, message: follow });
    socket.socket.pause();
    using other = await RawSocket.open(url);
    await expect
      .poll(async () => (await other.call({ path: CONSUME, message: follow, timeoutMillis: 10 })).code, {
        timeout: 20_000,
      })
      .toBe(4);
  });

  it("answers pings stays, however long it says nothing else", async () => {
    const { url } = await start(20);
    using socket = await RawSocket.open(url);
    let pings = 0;
    socket.socket.on("ping", () => pings++);
    await expect.poll(() => pings).toBeGreaterThan(5);
    expect((await socket.call({ path: INFO, message: nothing })).code).toBe(0);
  });

  it("sends and answers no pings stays", async () => {
    const { url } = await start(50);
    using socket = await RawSocket.open(url, { autoPong: false });
    let pings = 0;
    socket.socket.on("ping", () => pings++);
    const deadline = performance.now() + 500;
    while (performance.now() < deadline) expect((await socket.call({ path: INFO, message: nothing })).code).toBe(0);
    expect(pings).toBeGreaterThan(0);
  });
});
