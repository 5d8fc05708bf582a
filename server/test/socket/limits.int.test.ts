/** Time limits, numbers of calls, and headers on sockets. */
import { once } from "node:events";
import { connect } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { createStreamkit, memoryStorage, type ServerLimits, type Streamkit } from "../../src/index.ts";
import { KIND, type RawResult, RawSocket, rawFrame, resultOf, settingsPayload, uint32 } from "./raw-socket.ts";

const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const nothing = Buffer.alloc(0);

let streamkit: Streamkit | undefined;
/** The values of the header `x-seen` of all calls. */
const seen: (string | null)[] = [];
afterEach(async () => {
  await streamkit?.close();
  seen.length = 0;
});

async function start(limits: Partial<ServerLimits> = {}): Promise<string> {
  streamkit = createStreamkit({
    storage: memoryStorage(),
    limits,
    onEvent: () => undefined,
    interceptors: [
      (next) => (request) => {
        seen.push(request.header.get("x-seen"));
        return next(request);
      },
    ],
  });
  return (await streamkit.listen({ port: 0 })).url;
}

const reasonOf = ({ details }: RawResult) =>
  ErrorReason[fromBinary(ErrorDetailSchema, details[0]?.value ?? nothing).reason];

describe("requestMillis", () => {
  it.each([
    ["a unary call without its message", "Append", []],
    ["a unary call with a part of its message", "Append", [KIND.first]],
    ["a read without its message", "ConsumeSegment", []],
    ["a stream both ways without its first message", "Produce", []],
    ["a stream both ways with a part of its first message", "Produce", [KIND.first]],
  ])("ends %s with DEADLINE_EXCEEDED, and the socket goes on", async (_, method, kinds) => {
    const url = await start({ requestMillis: 300 });
    using socket = await RawSocket.open(url);
    const id = socket.request({ path: `/streamkit.v1.StreamService/${method}` });
    for (const kind of kinds) socket.send(rawFrame(kind, id, Buffer.concat([uint32(100), Buffer.of(1)])));
    const result = await socket.result(id);
    expect([result.code, reasonOf(result)]).toEqual([4, "DEADLINE_EXCEEDED"]);
    expect((await socket.call({ path: INFO, message: nothing })).code).toBe(0);
  });
});

it("headerMillis closes a connection whose upgrade does not end", async () => {
  const url = new URL(await start({ headerMillis: 300, requestMillis: 300 }));
  const connection = connect(Number(url.port), url.hostname);
  connection.on("error", () => undefined).resume();
  connection.write(`GET /streamkit.v1/socket HTTP/1.1\r\nhost: ${url.host}\r\nupgrade: websocket\r\nconnection: Upg`);
  await once(connection, "close");
  using socket = await RawSocket.open(url.origin);
  expect((await socket.call({ path: INFO, message: nothing })).code).toBe(0);
});

it("headers of a call replace those of the socket, a later SETTINGS all of an earlier one; those of the upgrade do not count", async () => {
  const url = await start();
  using socket = await RawSocket.open(url, { headers: { "x-seen": "upgrade" } });
  const call = async (headers: [string, string][] = []) =>
    expect((await socket.call({ path: INFO, message: nothing, headers })).code).toBe(0);
  await call();
  socket.send(rawFrame(KIND.settings, 0, settingsPayload([["x-seen", "socket"]])));
  await call();
  await call([["x-seen", "call"]]);
  await call();
  // A later SETTINGS takes the place of the earlier one as a whole.
  socket.send(rawFrame(KIND.settings, 0, settingsPayload([["x-other", "1"]])));
  await call();
  expect(seen).toEqual([null, "socket", "call", "socket", null]);
});

it("a socket carries more calls one after the other than it may have open", { timeout: 300_000 }, async () => {
  const url = await start({ streamsPerConnection: 10 });
  using socket = await RawSocket.open(url);
  const calls = 11_000;
  let failures = 0;
  let last = 0;
  for (let round = 0; round < calls / 500; round++) {
    for (let i = 0; i < 500; i++) last = socket.request({ path: INFO, message: nothing });
    const results = () => socket.frames.filter(({ kind }) => kind === KIND.result);
    await socket.until(() => results().length === 500);
    failures += results().filter(({ payload }) => resultOf(payload).code !== 0).length;
    socket.frames.length = 0;
    // The messages of these answers have cost credit.
    socket.send(rawFrame(KIND.credit, 0, uint32(500 * 512)));
  }
  expect([last, failures]).toEqual([calls, 0]);
});

it("a ping of WebSocket comes back as a pong with its payload", async () => {
  const url = await start();
  using socket = await RawSocket.open(url);
  const pong = once(socket.socket, "pong");
  socket.socket.ping("are you there");
  expect(String((await pong)[0])).toBe("are you there");
});

it("a server that shuts down refuses an upgrade with 503 and Retry-After", async () => {
  const url = new URL(await start());
  using socket = await RawSocket.open(url.origin);
  // This connection is there before the server stops to accept others.
  const late = connect(Number(url.port), url.hostname);
  await once(late, "connect");
  late.write(`GET /streamkit.v1/socket HTTP/1.1\r\nhost: ${url.host}\r\n`);
  const id = socket.request({ path: "/streamkit.v1.StreamService/Append" });
  const closed = streamkit?.close();
  await socket.until(() => socket.of(0, KIND.goaway).length === 1);
  late.write(
    "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n" +
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: streamkit.v1\r\n\r\n",
  );
  const [answer] = await once(late, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: 1\r\n/is);
  socket.send(rawFrame(KIND.reset, id));
  late.destroy();
  await closed;
});
