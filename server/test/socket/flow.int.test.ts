/** Flow control: a client that gives no credit stops what is large, and nothing else. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AppendRequestSchema,
  ConsumeSegmentRequestSchema,
  ConsumeSegmentResponseSchema,
  ReadSegmentRequestSchema,
} from "@streamkit/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createStreamkit, type Listener, memoryStorage, type Streamkit } from "../../src/index.ts";
import { KIND, RawSocket, rawFrame, uint32 } from "./raw-socket.ts";

const storeId = "11111111-2222-4333-8444-555555555555";
const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const CONSUME = "/streamkit.v1.StreamService/ConsumeSegment";
const READ = "/streamkit.v1.StreamService/ReadSegment";
const RECORD_BYTES = 100_000;
const RECORDS = 60;
const CALL_CREDIT = 262_144;
const SOCKET_CREDIT = 1_048_576;
const nothing = Buffer.alloc(0);

let streamkit: Streamkit;
let listener: Listener;
beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage() });
  listener = await streamkit.listen({ port: 0 });
  using socket = await RawSocket.open(listener.url);
  for (let record = 0; record < RECORDS; record++) {
    const appends = [{ segment: "bulk", records: [{ payload: new Uint8Array(RECORD_BYTES).fill(record) }] }];
    const message = toBinary(AppendRequestSchema, create(AppendRequestSchema, { storeId, space: "s", appends }));
    const id = socket.request({ path: "/streamkit.v1.StreamService/Append" });
    socket.send(rawFrame(KIND.first, id, Buffer.concat([uint32(message.length), message.subarray(0, 65_000)])));
    socket.send(rawFrame(KIND.next, id, message.subarray(65_000)));
    expect((await socket.result(id)).code).toBe(0);
  }
});
afterAll(() => streamkit.close());

const bulk = toBinary(
  ConsumeSegmentRequestSchema,
  create(ConsumeSegmentRequestSchema, { storeId, space: "s", segment: "bulk" }),
);
const page = (limit: number) =>
  toBinary(
    ReadSegmentRequestSchema,
    create(ReadSegmentRequestSchema, { storeId, space: "s", segment: "bulk", limit: BigInt(limit) }),
  );
const payloadsOf = (messages: readonly Buffer[]) =>
  messages.flatMap((message) =>
    fromBinary(ConsumeSegmentResponseSchema, message).batches.flatMap(({ records }) => records),
  );
const cost = (message: Buffer) => Math.min(CALL_CREDIT, message.length + 64);

/** Resolves when a call that was sent now is answered: what the server could send before is there. */
const settled = async (socket: RawSocket) => {
  for (let round = 0; round < 5; round++) await socket.call({ path: INFO, message: nothing });
};

it("a stream stops when its credit is used up, and goes on with more", async () => {
  using socket = await RawSocket.open(listener.url);
  const id = socket.request({ path: CONSUME, message: bulk });
  await socket.until(() => socket.messages(id).length > 0);
  await settled(socket);
  // Messages begin while there is credit, so the last one may be larger than what was left.
  const used = () => socket.messages(id).reduce((sum, message) => sum + cost(message), 0);
  expect(used()).toBeGreaterThanOrEqual(CALL_CREDIT);
  expect(used() - cost(socket.messages(id).at(-1) as Buffer)).toBeLessThan(CALL_CREDIT);
  for (let given = 0; socket.of(id, KIND.result).length === 0; ) {
    const due = used() - given;
    given += due;
    if (due > 0) {
      socket.send(rawFrame(KIND.credit, id, uint32(due)), rawFrame(KIND.credit, 0, uint32(due)));
    }
    await socket.until(() => used() > given || socket.of(id, KIND.result).length > 0);
  }
  const records = payloadsOf(socket.messages(id));
  expect(records.map(({ payload }) => payload[0])).toEqual(Array.from({ length: RECORDS }, (_, index) => index));
});

it("answers wait for credit of the socket, and failures and short calls without a message do not", async () => {
  using socket = await RawSocket.open(listener.url);
  const ids = Array.from({ length: 8 }, () => socket.request({ path: READ, message: page(5) }));
  await socket.until(() => ids.filter((id) => socket.of(id, KIND.result).length > 0).length === 4);
  expect((await socket.call({ path: "/x.Y/Z", message: nothing })).code).toBe(12);
  const info = socket.request({ path: INFO, message: nothing });
  socket.send(rawFrame(KIND.credit, 0, uint32(SOCKET_CREDIT)));
  for (const id of [...ids, info]) expect((await socket.result(id)).code).toBe(0);
});

it("a large answer gives way to others after every frame", async () => {
  using socket = await RawSocket.open(listener.url);
  const id = socket.request({ path: CONSUME, message: bulk });
  // So much credit that the read is stopped by nothing but its neighbours.
  socket.send(rawFrame(KIND.credit, id, uint32(1 << 30)), rawFrame(KIND.credit, 0, uint32(1 << 30)));
  const ids = Array.from({ length: 4 }, () => socket.request({ path: READ, message: page(3) }));
  for (const each of [id, ...ids]) await socket.result(each);
  const bulkFrames = socket.of(id).length;
  expect(bulkFrames).toBeGreaterThan(60);
  for (const each of ids) {
    // An answer of five parts passes at most as many frames of each neighbour, and not the whole read.
    const own = socket.frames.flatMap((frame, index) =>
      frame.call === each && frame.kind !== KIND.result ? [index] : [],
    );
    expect(own.length).toBe(5);
    for (const [position, index] of own.entries()) {
      if (position > 0) expect(index - (own[position - 1] ?? 0)).toBeLessThanOrEqual(2 * (1 + ids.length));
    }
  }
});

it("a client that reads nothing is read from no more, until it reads again", { timeout: 180_000 }, async () => {
  using socket = await RawSocket.open(listener.url);
  // The failure repeats the path, with six bytes for each of these.
  const request = { path: "\u0001".repeat(100), message: nothing };
  socket.socket.pause();
  const sent = 60_000;
  for (let index = 0; index < sent; index++) socket.request(request);
  // Each call fails, and its failure waits for the client to read: the server takes no more than it can remember.
  const waiting = () => socket.socket.bufferedAmount;
  using other = await RawSocket.open(listener.url);
  const stands = async () => {
    const before = waiting();
    for (let round = 0; round < 20; round++) await settled(other);
    return before > 0 && waiting() === before;
  };
  await expect.poll(stands, { timeout: 120_000 }).toBe(true);
  socket.socket.resume();
  await socket.until(() => socket.frames.filter(({ kind }) => kind === KIND.result).length === sent);
  expect(waiting()).toBe(0);
});
