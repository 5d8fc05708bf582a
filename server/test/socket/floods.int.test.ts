/**
 * Floods over sockets: the process lives, serves others during and after, and gives memory and descriptors back. The
 * same rules as for the other doors (server/test/doors/floods.int.test.ts).
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { AppendRequestSchema, ConsumeSegmentRequestSchema } from "@streamkit/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { isServing } from "../doors/raw.ts";
import type { Holdings } from "../fuzz/target.ts";
import { startTarget, type Target } from "../fuzz/target-process.ts";
import { field, KIND, RawSocket, rawFrame, uint32 } from "./raw-socket.ts";

const storeId = "11111111-2222-4333-8444-555555555555";
const APPEND = "/streamkit.v1.StreamService/Append";
const CONSUME = "/streamkit.v1.StreamService/ConsumeSegment";
const PRODUCE = "/streamkit.v1.StreamService/Produce";
const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const MIB = 1024 * 1024;
/** Live memory beyond an idle process, after a garbage collection. */
const SLACK_BYTES = 128 * MIB;
/** The default of limits.requestBytesPerAddress. */
const REQUEST_BYTES = 192 * MIB;
const SOCKETS = 20;
const nothing = Buffer.alloc(0);

let server: Target;
let base: Holdings;
beforeAll(async () => {
  server = await startTarget();
  using socket = await RawSocket.open(server.url);
  for (let record = 0; record < 20; record++) {
    const records = Array.from({ length: 50 }, () => ({ payload: new Uint8Array(20_000) }));
    const appends = [{ segment: "bulk", records }];
    const message = toBinary(AppendRequestSchema, create(AppendRequestSchema, { storeId, space: "s", appends }));
    const id = socket.request({ path: APPEND });
    socket.send(rawFrame(KIND.first, id, Buffer.concat([uint32(message.length), message.subarray(0, 60_000)])));
    for (let at = 60_000; at < message.length; at += 65_536) {
      socket.send(rawFrame(KIND.next, id, message.subarray(at, at + 65_536)));
    }
    expect((await socket.result(id)).code).toBe(0);
  }
  socket.socket.close();
  await socket.closed;
  await serves();
  base = await server.holdings();
});
afterAll(async () => {
  expect(server.child.exitCode).toBe(null);
  expect(server.defects).toEqual([]);
  await server[Symbol.asyncDispose]();
});

const consume = toBinary(
  ConsumeSegmentRequestSchema,
  create(ConsumeSegmentRequestSchema, { storeId, space: "s", segment: "bulk" }),
);
const times = (count: number, frame: (index: number) => Uint8Array) =>
  Buffer.concat(Array.from({ length: count }, (_, index) => frame(index)));
const serves = async () => {
  using socket = await RawSocket.open(server.url);
  expect((await socket.call({ path: INFO, message: nothing })).code).toBe(0);
  expect(await isServing(server.url)).toBe(true);
};
const openMany = async (count: number, opened: DisposableStack) => {
  const sockets = await Promise.all(Array.from({ length: count }, () => RawSocket.open(server.url)));
  for (const socket of sockets) opened.use(socket);
  return sockets;
};
const pongOf = async (socket: RawSocket) => {
  const before = socket.of(0, KIND.pong).length;
  socket.send(rawFrame(KIND.ping, 0));
  await socket.until(() => socket.of(0, KIND.pong).length > before);
};
const memory = async () => (await server.holdings()).bytes - base.bytes;

it.each<[string, (index: number) => Uint8Array, number | undefined]>([
  ["PING", () => rawFrame(KIND.ping, 0), 4429],
  ["SETTINGS", () => rawFrame(KIND.settings, 0), 4429],
  [
    "RESET of streams that just began",
    (index) =>
      Buffer.concat([
        rawFrame(KIND.request, index + 2, Buffer.concat([field(1, CONSUME), field(4, consume)])),
        rawFrame(KIND.reset, index + 2),
      ]),
    4429,
  ],
  ["CREDIT of one byte", () => rawFrame(KIND.credit, 0, uint32(1)), undefined],
  ["CREDIT for a call that is over", () => rawFrame(KIND.credit, 1, uint32(1)), undefined],
  ["empty messages for a call that is over", () => rawFrame(KIND.message, 1), undefined],
  ["parts for a call that is over", () => rawFrame(KIND.next, 1, Buffer.alloc(1)), undefined],
  ["unknown paths", (index) => rawFrame(KIND.request, index + 2, field(1, "\u0001".repeat(100))), undefined],
  [
    "broken requests",
    (index) => rawFrame(KIND.request, index + 2, Buffer.concat([field(1, APPEND), field(4, "\u0007")])),
    undefined,
  ],
])("a flood of %s harms nobody", { timeout: 60_000 }, async (_, frame, code) => {
  using socket = await RawSocket.open(server.url);
  socket.send(rawFrame(KIND.request, 1, field(1, "/x")));
  await socket.result(1);
  socket.socket.pause();
  for (let round = 0; round < 60 && socket.socket.readyState === 1; round++) {
    socket.socket.send(times(1_000, (index) => frame(round * 1_000 + index)));
    if (round % 20 === 0) await serves();
  }
  await serves();
  expect(await memory()).toBeLessThan(SLACK_BYTES);
  socket.socket.resume();
  if (code !== undefined) expect((await socket.closed).code).toBe(code);
});

it("clients that read nothing hold no more than their budgets", { timeout: 60_000 }, async () => {
  using opened = new DisposableStack();
  const sockets = await openMany(SOCKETS, opened);
  for (const socket of sockets) {
    socket.socket.pause();
    socket.send(rawFrame(KIND.credit, 0, uint32(1 << 30)));
    for (let call = 0; call < 5; call++) {
      const id = socket.request({ path: CONSUME, message: consume });
      socket.send(rawFrame(KIND.credit, id, uint32(1 << 30)));
    }
  }
  for (let round = 0; round < 20; round++) await serves();
  expect(await memory()).toBeLessThan(SLACK_BYTES);
});

it("messages that never end hold no more than their budgets", { timeout: 60_000 }, async () => {
  using opened = new DisposableStack();
  const sockets = await openMany(SOCKETS / 2, opened);
  for (const socket of sockets) {
    for (const path of [APPEND, PRODUCE, APPEND, PRODUCE]) {
      const id = socket.request({ path });
      socket.send(rawFrame(KIND.first, id, Buffer.concat([uint32(8 * MIB), Buffer.alloc(60_000)])));
      for (let part = 0; part < 100; part++) socket.send(rawFrame(KIND.next, id, Buffer.alloc(65_536)));
    }
  }
  for (let round = 0; round < 20; round++) await serves();
  expect(await memory()).toBeLessThan(REQUEST_BYTES + SLACK_BYTES);
});

it("one small part keeps no large WebSocket message in memory", { timeout: 60_000 }, async () => {
  using opened = new DisposableStack();
  const sockets = await openMany(10, opened);
  for (const socket of sockets) {
    for (let call = 2; call < 200; call += 2) {
      socket.send(
        rawFrame(KIND.request, call, field(1, PRODUCE)),
        rawFrame(KIND.first, call, Buffer.concat([uint32(100), Buffer.alloc(1)])),
        rawFrame(KIND.message, 1, Buffer.alloc(65_000)),
        rawFrame(KIND.message, 1, Buffer.alloc(65_000)),
        rawFrame(KIND.message, 1, Buffer.alloc(65_000)),
      );
      await socket.until(() => socket.of(0, KIND.credit).length * 195_000 >= (call / 2 - 3) * 195_000);
    }
  }
  await serves();
  expect(await memory()).toBeLessThan(SLACK_BYTES);
});

it("a message in parts of one byte takes no more memory than its bytes", { timeout: 60_000 }, async () => {
  using socket = await RawSocket.open(server.url);
  const id = socket.request({ path: APPEND });
  socket.send(rawFrame(KIND.first, id, Buffer.concat([uint32(8 * MIB), Buffer.alloc(1)])));
  const parts = times(20_000, () => rawFrame(KIND.next, id, Buffer.alloc(1)));
  for (let sent = 0; sent < 2_000_000; sent += 20_000) {
    socket.socket.send(parts);
    // A pong comes behind the work for all earlier messages.
    if (sent % 400_000 === 0) await pongOf(socket);
  }
  await pongOf(socket);
  expect(await memory()).toBeLessThan(SLACK_BYTES);
});

it("the rest of a refused message is not kept while earlier answers wait for credit", { timeout: 60_000 }, async () => {
  using socket = await RawSocket.open(server.url);
  const id = socket.request({ path: PRODUCE });
  const appends = [{ segment: "small", records: [{}] }];
  const message = toBinary(AppendRequestSchema, create(AppendRequestSchema, { storeId, space: "s", appends }));
  // Until the credit of the call for answers is used up.
  const answers = () => socket.of(id, KIND.message);
  const isStopped = () => answers().reduce((sum, { payload }) => sum + payload.length + 64, 0) >= 262_144;
  for (let sent = 100; !isStopped(); sent += 100) {
    socket.send(times(100, () => rawFrame(KIND.message, id, message)));
    await socket.until(() => answers().length === sent || isStopped());
  }
  socket.send(rawFrame(KIND.first, id, Buffer.concat([uint32(2 ** 32 - 1), Buffer.alloc(60_000)])));
  for (let part = 0; part < 8_000; part++) {
    socket.send(rawFrame(KIND.next, id, Buffer.alloc(65_536)));
    if (part % 200 === 0) await pongOf(socket);
  }
  await pongOf(socket);
  expect(await memory()).toBeLessThan(SLACK_BYTES);
});

it("memory, timers and connections are those of an idle process afterwards", { timeout: 150_000 }, async () => {
  const held = async () => {
    const { timers, sockets } = await server.holdings();
    return { timers: timers <= base.timers, sockets: sockets <= base.sockets };
  };
  await expect.poll(held, { timeout: 60_000 }).toEqual({ timers: true, sockets: true });
  await expect.poll(memory, { timeout: 60_000 }).toBeLessThan(16 * MIB);
  await serves();
});
