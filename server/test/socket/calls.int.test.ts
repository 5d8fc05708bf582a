/** Calls over a WebSocket, by a client that was written from docs/websocket.md. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AppendRequestSchema,
  AppendResponseSchema,
  ConsumeSegmentRequestSchema,
  ConsumeSegmentResponseSchema,
  ErrorDetailSchema,
  ErrorReason,
  ProduceRequestSchema,
  ProduceResponseSchema,
  ReadSegmentRequestSchema,
  ReadSegmentResponseSchema,
} from "@streamkit/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createStreamkit, type Listener, memoryStorage, type Streamkit } from "../../src/index.ts";
import { KIND, RawSocket, rawFrame, settingsPayload, uint32 } from "./raw-socket.ts";

const storeId = "11111111-2222-4333-8444-555555555555";
const path = (name: string) => `/streamkit.v1.StreamService/${name}`;

let streamkit: Streamkit;
let listener: Listener;
const seen: (string | null)[] = [];
beforeAll(async () => {
  streamkit = createStreamkit({
    storage: memoryStorage(),
    interceptors: [
      (next) => async (request) => {
        seen.push(request.header.get("authorization"));
        const response = await next(request);
        response.header.set("x-seen", "yes");
        return response;
      },
    ],
  });
  listener = await streamkit.listen({ port: 0 });
});
afterAll(() => streamkit.close());

function append(segment: string, bytes: number) {
  const appends = [{ segment, records: [{ payload: new Uint8Array(bytes).fill(7) }] }];
  return toBinary(AppendRequestSchema, create(AppendRequestSchema, { storeId, space: "s", appends }));
}

function consume(segment: string, follow = false) {
  const request = { storeId, space: "s", segment, follow };
  return toBinary(ConsumeSegmentRequestSchema, create(ConsumeSegmentRequestSchema, request));
}

it("a unary call goes there and back in one frame each", async () => {
  using socket = await RawSocket.open(listener.url);
  const result = await socket.call({ path: path("Append"), message: append("one", 10) });
  expect(result.code).toBe(0);
  expect(fromBinary(AppendResponseSchema, result.message as Buffer).ranges[0]?.lastSequence).toBe(1n);
  expect(result.headers).toContainEqual(["x-seen", "yes"]);
});

it("many calls share a socket and WebSocket messages", async () => {
  using socket = await RawSocket.open(listener.url);
  const ids = Array.from({ length: 64 }, () => socket.request({ path: path("Append"), message: append("many", 10) }));
  const results = await Promise.all(ids.map((id) => socket.result(id)));
  expect(results.every(({ code }) => code === 0)).toBe(true);
  const messages = new Set(socket.frames.filter(({ kind }) => kind === KIND.result).map(({ message }) => message));
  expect(messages.size).toBeLessThan(32);
});

it("large messages go in parts, both ways", async () => {
  using socket = await RawSocket.open(listener.url);
  const message = append("large", 900_000);
  const id = socket.request({ path: path("Append") });
  socket.send(rawFrame(KIND.first, id, Buffer.concat([uint32(message.length), message.subarray(0, 60_000)])));
  for (let at = 60_000; at < message.length; at += 65_536) {
    socket.send(rawFrame(KIND.next, id, message.subarray(at, at + 65_536)));
  }
  expect((await socket.result(id)).code).toBe(0);
  const request = create(ReadSegmentRequestSchema, { storeId, space: "s", segment: "large" });
  const read = socket.request({ path: path("ReadSegment"), message: toBinary(ReadSegmentRequestSchema, request) });
  const result = await socket.result(read);
  expect([result.code, result.message]).toEqual([0, undefined]);
  const [answer] = socket.messages(read);
  expect(fromBinary(ReadSegmentResponseSchema, answer as Buffer).batches[0]?.records[0]?.payload.length).toBe(900_000);
});

it("a streamed read ends with RESULT, and its headers come first", async () => {
  using socket = await RawSocket.open(listener.url);
  const id = socket.request({ path: path("ConsumeSegment"), message: consume("one") });
  expect((await socket.result(id)).code).toBe(0);
  expect(socket.of(id).map(({ kind }) => kind)[0]).toBe(KIND.response);
  const [first] = socket.messages(id);
  expect(fromBinary(ConsumeSegmentResponseSchema, first as Buffer).batches).toHaveLength(1);
});

it("a stream both ways answers as requests arrive, and ends behind HALF_CLOSE", async () => {
  using socket = await RawSocket.open(listener.url);
  const id = socket.request({ path: path("Produce") });
  const produce = () => {
    const appends = [{ segment: "p", records: [{ payload: new Uint8Array(3) }] }];
    const request = create(ProduceRequestSchema, { storeId, space: "p", appends });
    socket.send(rawFrame(KIND.message, id, toBinary(ProduceRequestSchema, request)));
  };
  for (let number = 1; number <= 3; number++) {
    produce();
    await socket.until(() => socket.messages(id).length === number);
  }
  socket.send(rawFrame(KIND.halfClose, id));
  expect((await socket.result(id)).code).toBe(0);
  const last = socket.messages(id).map((each) => fromBinary(ProduceResponseSchema, each).ranges[0]?.lastSequence);
  expect(last).toEqual([1n, 2n, 3n]);
});

it("RESET ends a follower, and the server gives the credit back", async () => {
  using socket = await RawSocket.open(listener.url);
  const id = socket.request({ path: path("ConsumeSegment"), message: consume("one", true) });
  await socket.until(() => socket.messages(id).length > 0);
  socket.send(rawFrame(KIND.reset, id));
  expect((await socket.call({ path: path("Append"), message: append("one", 1) })).code).toBe(0);
  expect(socket.of(id, KIND.result)).toEqual([]);
});

it("failures have a code of gRPC and one ErrorDetail", async () => {
  using socket = await RawSocket.open(listener.url);
  const reasonOf = async (request: Parameters<RawSocket["call"]>[0]) => {
    const { code, details } = await socket.call(request);
    expect(details.map(({ type }) => type)).toEqual(["streamkit.v1.ErrorDetail"]);
    const { reason } = fromBinary(ErrorDetailSchema, details[0]?.value as Buffer);
    return `${code} ${ErrorReason[reason]}`;
  };
  expect(await reasonOf({ path: path("Nothing"), message: Buffer.alloc(0) })).toBe("12 UNIMPLEMENTED");
  expect(await reasonOf({ path: path("Append"), message: Buffer.from([7]) })).toBe("3 INVALID_FIELD");
  expect(await reasonOf({ path: path("Append"), message: append("", 1) })).toBe("3 INVALID_FIELD");
  expect(await reasonOf({ path: path("Produce"), message: append("x", 1) })).toBe("3 INVALID_FIELD");
});

it("headers of the socket hold for later requests, and a call may replace them", async () => {
  using socket = await RawSocket.open(listener.url);
  const authorization = async (headers: [string, string][] = []) => {
    expect((await socket.call({ path: path("Append"), message: append("h", 1), headers })).code).toBe(0);
    return seen.at(-1);
  };
  expect(await authorization()).toBe(null);
  socket.send(rawFrame(KIND.settings, 0, settingsPayload([["authorization", "a"]])));
  expect(await authorization()).toBe("a");
  expect(await authorization([["authorization", "b"]])).toBe("b");
  expect(await authorization()).toBe("a");
  socket.send(rawFrame(KIND.settings, 0, settingsPayload([])));
  expect(await authorization()).toBe(null);
});

it("a call ends when its time is over", async () => {
  using socket = await RawSocket.open(listener.url);
  const { code } = await socket.call({ path: path("ConsumeSegment"), message: consume("h", true), timeoutMillis: 20 });
  expect(code).toBe(4);
  expect((await socket.call({ path: path("Append"), timeoutMillis: 20 })).code).toBe(4);
});
