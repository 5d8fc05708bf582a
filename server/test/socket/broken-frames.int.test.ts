/** Sockets whose client breaks the protocol: every row of "Broken frames" and "Limits" in docs/websocket.md. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AppendRequestSchema, ErrorDetailSchema, ErrorReason, GetServerInfoRequestSchema } from "@streamkit/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, type Listener, memoryStorage, type Streamkit } from "../../src/index.ts";
import { field, KIND, type RawRequest, RawSocket, rawFrame, settingsPayload, uint32 } from "./raw-socket.ts";

const storeId = "11111111-2222-4333-8444-555555555555";
const PRODUCE = "/streamkit.v1.StreamService/Produce";
const APPEND = "/streamkit.v1.StreamService/Append";
const CONSUME = "/streamkit.v1.StreamService/ConsumeSegment";
const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const info = toBinary(GetServerInfoRequestSchema, create(GetServerInfoRequestSchema));
const nothing = Buffer.alloc(0);

let streamkit: Streamkit;
let listener: Listener;
beforeAll(async () => {
  streamkit = createStreamkit({
    storage: memoryStorage(),
    limits: { streamsPerConnection: 20 },
    onEvent: () => undefined,
  });
  listener = await streamkit.listen({ port: 0 });
});
afterAll(() => streamkit.close());

/** Whatever a client has done, the next one is served. */
afterEach(async () => {
  using socket = await RawSocket.open(listener.url);
  expect((await socket.call({ path: INFO, message: info })).code).toBe(0);
  expect(streamkit.counts().kinds.get("internal-error")).toBe(undefined);
});

/** A frame with a payload of one kind for a call. */
const f = (kind: number, call: number, ...payload: number[]) => rawFrame(kind, call, Buffer.from(payload));
/** A socket with one open call: a Produce session that waits for its first request. */
async function opened(): Promise<RawSocket> {
  const socket = await RawSocket.open(listener.url);
  socket.request({ path: PRODUCE });
  return socket;
}

describe("4400 closes the socket for", () => {
  it("a text message", async () => {
    using socket = await opened();
    socket.socket.send("hello");
    expect(await socket.closed).toEqual({ code: 4400, reason: expect.stringMatching(/text/) });
  });

  it.each<[string, Uint8Array]>([
    ["a message without frames", nothing],
    ["a frame that is cut in its header", Buffer.from([3, 0, 0, 0, 1, 0, 0, 0])],
    ["a frame that is cut in its payload", f(KIND.message, 1, 1, 2).subarray(0, 10)],
    ["a second frame that is cut", Buffer.concat([f(KIND.ping, 0), Buffer.from([12])])],
    ["kind 0", f(0, 1)],
    ["an unknown kind", f(14, 1)],
    ["kind 255", f(255, 0)],
    ["RESPONSE", f(KIND.response, 1)],
    ["RESULT", f(KIND.result, 1)],
    ["GOAWAY", f(KIND.goaway, 0)],
    ["a payload over 65,536 bytes", rawFrame(KIND.message, 1, Buffer.alloc(65_537))],
    ["SETTINGS that is no protobuf", f(KIND.settings, 0, 7)],
    ["REQUEST that is no protobuf", f(KIND.request, 2, 10, 5, 1)],
    ["REQUEST with a path that is no text", f(KIND.request, 2, 10, 1, 0xff)],
    ["RESET that is no protobuf", f(KIND.reset, 1, 10, 5)],
    ["an id that was used", rawFrame(KIND.request, 1, field(1, INFO))],
    ["the id 0", rawFrame(KIND.request, 0, field(1, INFO))],
    ["MESSAGE for an unused id", f(KIND.message, 2, 1)],
    ["MESSAGE for the socket", f(KIND.message, 0, 1)],
    ["HALF_CLOSE for an unused id", f(KIND.halfClose, 2)],
    ["HALF_CLOSE with a payload", f(KIND.halfClose, 1, 1)],
    ["RESET for an unused id", f(KIND.reset, 2)],
    ["CREDIT for an unused id", rawFrame(KIND.credit, 2, uint32(1))],
    ["CREDIT of 3 bytes", f(KIND.credit, 1, 1, 2, 3)],
    ["CREDIT of 5 bytes", f(KIND.credit, 0, 0, 0, 0, 0, 1)],
    ["NEXT without FIRST", f(KIND.next, 1, 1)],
    ["FIRST of 3 bytes", f(KIND.first, 1, 0, 0, 0)],
    ["FIRST without bytes of its message", f(KIND.first, 1, 0, 0, 0, 9)],
    ["FIRST with too many bytes", f(KIND.first, 1, 0, 0, 0, 1, 1, 1)],
    ["NEXT with too many bytes", Buffer.concat([f(KIND.first, 1, 0, 0, 0, 2, 1), f(KIND.next, 1, 1, 1)])],
    ["MESSAGE inside a message", Buffer.concat([f(KIND.first, 1, 0, 0, 0, 2, 1), f(KIND.message, 1, 1)])],
    ["FIRST inside a message", Buffer.concat([f(KIND.first, 1, 0, 0, 0, 2, 1), f(KIND.first, 1, 0, 0, 0, 2, 1)])],
    ["HALF_CLOSE inside a message", Buffer.concat([f(KIND.first, 1, 0, 0, 0, 2, 1), f(KIND.halfClose, 1)])],
    ["SETTINGS of a call", f(KIND.settings, 1)],
    ["PING of a call", f(KIND.ping, 1)],
    ["PONG of a call", f(KIND.pong, 1)],
    ["PING over 125 bytes", rawFrame(KIND.ping, 0, Buffer.alloc(126))],
    ["PONG over 125 bytes", rawFrame(KIND.pong, 0, Buffer.alloc(126))],
    ["a header that HTTP could not carry", rawFrame(KIND.settings, 0, settingsPayload([["Authorization", "x"]]))],
  ])("%s", async (_, bytes) => {
    using socket = await opened();
    socket.socket.send(bytes);
    const { code, reason } = await socket.closed;
    expect([code, reason.length > 10]).toEqual([4400, true]);
    // All calls of the socket are over, and give back what they held.
    await expect.poll(() => streamkit.counts().kinds.get("connection-refused")).toBeGreaterThan(0);
  });
});

describe("other codes close the socket for", () => {
  const twentyHeaders = Array.from({ length: 20 }, (_, index) => [`h${index}`, "x".repeat(900)] as const);
  it.each<[string, number, Uint8Array]>([
    ["credit of 0 for the socket", 4413, rawFrame(KIND.credit, 0, uint32(0))],
    ["credit of 0 for a call", 4413, rawFrame(KIND.credit, 1, uint32(0))],
    ["credit over the limit", 4413, rawFrame(KIND.credit, 0, uint32(0x7fffffff))],
    ["credit over the limit for a call", 4413, rawFrame(KIND.credit, 1, uint32(0xffffffff))],
    ["SETTINGS with too many bytes", 4413, rawFrame(KIND.settings, 0, settingsPayload(twentyHeaders))],
    [
      "SETTINGS with too many headers",
      4413,
      rawFrame(KIND.settings, 0, settingsPayload(Array.from({ length: 129 }, () => ["a", "b"] as const))),
    ],
    ["a WebSocket message over 262,144 bytes", 1009, Buffer.alloc(262_145)],
    ["111 PINGs at once", 4429, Buffer.concat(Array.from({ length: 111 }, () => f(KIND.ping, 0)))],
    ["1,100 RESETs at once", 4429, Buffer.concat(Array.from({ length: 1_100 }, () => f(KIND.reset, 1)))],
    ["1,100 SETTINGS at once", 4429, Buffer.concat(Array.from({ length: 1_100 }, () => f(KIND.settings, 0)))],
    [
      "large messages without credit of the socket",
      4413,
      Buffer.concat(
        Array.from({ length: 5 }, (_, index) => [
          rawFrame(KIND.request, index + 2, field(1, APPEND)),
          rawFrame(KIND.first, index + 2, Buffer.concat([uint32(1_000_000), Buffer.alloc(10)])),
        ]).flat(),
      ),
    ],
  ])("%s: %d", async (_, code, bytes) => {
    using socket = await opened();
    socket.socket.send(bytes);
    expect((await socket.closed).code).toBe(code);
  });

  it("111 pings of WebSocket", async () => {
    using socket = await opened();
    for (let sent = 0; sent < 111; sent++) socket.socket.ping();
    expect((await socket.closed).code).toBe(4429);
  });
});

describe("a call fails alone for", () => {
  const appended = toBinary(
    AppendRequestSchema,
    create(AppendRequestSchema, { storeId, space: "s", appends: [{ segment: "a", records: [{}] }] }),
  );
  const longHeaders = Array.from({ length: 20 }, (_, index) => [`h${index}`, "x".repeat(900)] as const);
  it.each<[string, string, RawRequest, Uint8Array[]]>([
    ["an unknown path", "UNIMPLEMENTED", { path: "/x.Y/Z", message: nothing }, []],
    ["no path", "UNIMPLEMENTED", { path: "" }, []],
    ["a message that is no protobuf", "INVALID_FIELD", { path: APPEND, message: Buffer.from([7]) }, []],
    [
      "a second message of a unary call",
      "INVALID_FIELD",
      { path: APPEND },
      [f(KIND.message, 1, 10, 0), f(KIND.message, 1)],
    ],
    ["no message", "INVALID_FIELD", { path: APPEND }, [f(KIND.halfClose, 1)]],
    ["no message of a read", "INVALID_FIELD", { path: CONSUME }, [f(KIND.halfClose, 1)]],
    ["a message in the REQUEST of a stream", "INVALID_FIELD", { path: PRODUCE, message: appended }, []],
    ["a message behind HALF_CLOSE", "INVALID_FIELD", { path: PRODUCE }, [f(KIND.halfClose, 1), f(KIND.message, 1)]],
    [
      "a message over the limit of its method",
      "REQUEST_TOO_LARGE",
      { path: INFO },
      [rawFrame(KIND.first, 1, Buffer.concat([uint32(131_073), Buffer.alloc(9)]))],
    ],
    [
      "a message of 4 GiB",
      "REQUEST_TOO_LARGE",
      { path: PRODUCE },
      [rawFrame(KIND.first, 1, Buffer.concat([uint32(0xffffffff), Buffer.alloc(9)]))],
    ],
    ["headers over the limit", "INVALID_FIELD", { path: INFO, message: info, headers: longHeaders }, []],
    ["a header that HTTP could not carry", "INVALID_FIELD", { path: INFO, message: info, headers: [["a", "\n"]] }, []],
  ])("%s: %s", async (_, expected, request, frames) => {
    using socket = await RawSocket.open(listener.url);
    const id = socket.request(request);
    if (frames.length > 0) socket.send(...frames);
    const { details } = await socket.result(id);
    expect(details.map(({ type }) => type)).toEqual(["streamkit.v1.ErrorDetail"]);
    expect(ErrorReason[fromBinary(ErrorDetailSchema, details[0]?.value as Buffer).reason]).toBe(expected);
    expect((await socket.call({ path: INFO, message: info })).code).toBe(0);
  });

  it("one open call, or one stream, too many: OVERLOADED", async () => {
    using socket = await RawSocket.open(listener.url);
    const reasonOf = async (id: number) => {
      const { details } = await socket.result(id);
      const { reason, retryAfter } = fromBinary(ErrorDetailSchema, details[0]?.value as Buffer);
      expect(retryAfter?.seconds).toBe(1n);
      return ErrorReason[reason];
    };
    for (let open = 0; open < 20; open++) socket.request({ path: PRODUCE });
    expect(await reasonOf(socket.request({ path: PRODUCE }))).toBe("OVERLOADED");
    for (let open = 0; open < 1_000; open++) socket.request({ path: APPEND });
    const refused = socket.request({ path: INFO, message: info });
    expect(await reasonOf(refused)).toBe("OVERLOADED");
    socket.send(f(KIND.reset, 1));
    expect((await socket.call({ path: INFO, message: info })).code).toBe(0);
  });
});

it("frames for calls that are over change nothing, and their credit comes back", async () => {
  using socket = await RawSocket.open(listener.url);
  const id = socket.request({ path: INFO, message: info });
  await socket.result(id);
  const given = () => socket.of(0, KIND.credit).reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  const before = given();
  for (let round = 0; round < 8; round++) {
    socket.send(rawFrame(KIND.message, id, Buffer.alloc(65_536)), rawFrame(KIND.next, id, Buffer.alloc(10)));
    await socket.until(() => given() - before >= (round + 1) * 65_600);
  }
  socket.send(f(KIND.halfClose, id), f(KIND.reset, id), rawFrame(KIND.credit, id, uint32(7)));
  expect((await socket.call({ path: INFO, message: info })).code).toBe(0);
});

it("PONG answers PING with its payload", async () => {
  using socket = await RawSocket.open(listener.url);
  socket.send(f(KIND.ping, 0, 1, 2, 3), f(KIND.pong, 0, 9));
  await socket.until(() => socket.of(0, KIND.pong).length > 0);
  expect([...(socket.of(0, KIND.pong)[0]?.payload ?? [])]).toEqual([1, 2, 3]);
});
