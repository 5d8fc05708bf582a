/**
 * Random frames, and random bytes of WebSocket, at the server's sockets. The rules of doors.int.test.ts hold: the
 * process survives, answers as documented, serves the next caller, and releases all resources.
 */
import { once } from "node:events";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { isServing, open } from "../doors/raw.ts";
import { KIND, RawSocket, resultOf } from "../socket/raw-socket.ts";
import { mutate, Random } from "./random.ts";
import { socketMessages } from "./socket-frames.ts";
import type { Holdings } from "./target.ts";
import { startTarget, type Target } from "./target-process.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 300);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const MIB = 1024 * 1024;
/** Close codes of docs/websocket.md that a client can provoke; 1005 is a close without a code. */
const CODES: ReadonlySet<number> = new Set([1000, 1002, 1005, 1006, 1009, 4400, 4413, 4429]);
const INFO = "/streamkit.v1.StoreService/GetServerInfo";

let target: Target;
let base: Holdings;
beforeAll(async () => {
  target = await startTarget();
  for (let seed = 1; seed <= 100; seed++) await throwFrames(seed);
  base = await target.holdings();
});
afterAll(() => target[Symbol.asyncDispose]());

const seeds = Array.from({ length: RUNS }, (_, run) => SEED * 1_000_003 + run);

/** Sends frames, and returns the problem with what comes back; undefined for documented answers. */
async function throwFrames(seed: number): Promise<string | undefined> {
  const random = new Random(seed);
  const socket = await RawSocket.open(target.url);
  for (const message of socketMessages(random)) socket.socket.send(message);
  // Either a ping comes back behind all frames, or the server closes the socket.
  socket.socket.ping();
  const pong = new Promise<undefined>((resolve) => socket.socket.once("pong", () => resolve(undefined)));
  const closed = await Promise.race([pong, socket.closed]);
  if (closed !== undefined && !CODES.has(closed.code)) return `closed with ${closed.code} ${closed.reason}`;
  const wrong = wrongAnswers(socket);
  if (random.chance(0.5)) socket.socket.close(1000);
  else socket.socket.terminate();
  return wrong;
}

function wrongAnswers(socket: RawSocket): string | undefined {
  const ended = new Set<number>();
  for (const { kind, call, payload } of socket.frames) {
    if (call !== 0 && ended.has(call)) return `a frame of kind ${kind} follows the end of call ${call}`;
    if (kind !== KIND.result) continue;
    ended.add(call);
    const { code, details, text } = resultOf(payload);
    if (code === 0) continue;
    if (details.length !== 1 || text === "") return `call ${call}: ${details.length} details, "${text}"`;
    const { reason } = fromBinary(ErrorDetailSchema, details[0]?.value as Buffer);
    if (reason === ErrorReason.INTERNAL || reason === ErrorReason.UNSPECIFIED) return `call ${call}: ${text}`;
  }
  return undefined;
}

async function isSound(): Promise<void> {
  expect(target.child.exitCode).toBe(null);
  expect(target.defects).toEqual([]);
  expect(await isServing(target.url)).toBe(true);
  using socket = await RawSocket.open(target.url);
  expect((await socket.call({ path: INFO, message: Buffer.alloc(0) })).code).toBe(0);
}

it("random frames get documented answers", { timeout: 60_000 + RUNS * 1_000 }, async () => {
  for (const seed of seeds) expect(await throwFrames(seed), `seed ${seed}`).toBe(undefined);
  await isSound();
});

it("random bytes behind an upgrade break nothing", { timeout: 60_000 + RUNS * 1_000 }, async () => {
  const wish = `GET /streamkit.v1/socket HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: streamkit.v1\r\n\r\n`;
  for (const seed of seeds) {
    const random = new Random(seed);
    const socket = await open(target.url);
    socket.on("error", () => undefined).resume();
    const upgrade = Buffer.from(random.chance(0.3) ? mutate(random, Buffer.from(wish)) : wish);
    socket.write(Buffer.concat([upgrade, ...socketMessages(random).map((message) => masked(random, message))]));
    if (random.chance(0.3)) await Promise.race([once(socket, "data"), once(socket, "close")]);
    if (random.chance(0.3)) socket.end();
    if (random.chance(0.5)) socket.resetAndDestroy();
    else socket.destroy();
    expect(target.child.exitCode, `seed ${seed}`).toBe(null);
  }
  await isSound();
});

it("leaves nothing behind", { timeout: 60_000 }, async () => {
  const held = async () => {
    const { sockets, timers } = await target.holdings();
    return { sockets: sockets <= base.sockets + 2, timers: timers <= base.timers + 4 };
  };
  await expect.poll(held, { timeout: 30_000 }).toEqual({ sockets: true, timers: true });
  expect((await target.holdings()).bytes - base.bytes).toBeLessThan(32 * MIB);
});

/** A WebSocket message as its client sends it (RFC 6455, section 5.2), at times damaged or in pieces. */
function masked(random: Random, message: Buffer): Buffer {
  const opcode = random.chance(0.9) ? 2 : random.below(16);
  const fin = random.chance(0.9) ? 0x80 : 0;
  const head = Buffer.alloc(8);
  head[0] = fin | opcode;
  head[1] = 0x80 | 126;
  head.writeUInt16BE(Math.min(message.length, 65_535), 2);
  const bytes = Buffer.concat([head, message.subarray(0, 65_535)]);
  return random.chance(0.2) ? mutate(random, bytes) : bytes;
}
