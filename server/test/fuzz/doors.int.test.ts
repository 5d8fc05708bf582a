/**
 * Random bytes at the server's doors, from raw HTTP to messages of every method. The process must survive every input,
 * answer as documented, serve the next caller, and release all resources.
 *
 * FUZZ_SEED and FUZZ_RUNS choose other and more inputs: `npm run fuzz`. A seed that found a fault stays in KEPT.
 */
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isServing, open } from "../doors/raw.ts";
import { PATHS, randomCall } from "./calls.ts";
import { http1Request } from "./http1-requests.ts";
import { http2Connection } from "./http2-frames.ts";
import { Random } from "./random.ts";
import type { Holdings } from "./target.ts";
import { startTarget, type Target } from "./target-process.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 300);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** Seeds that once found a fault. */
const KEPT: readonly number[] = [7_000_066];
/** Longest time to wait for an answer on a raw connection, in milliseconds. */
const PATIENCE_MILLIS = 50;
const MIB = 1024 * 1024;

let target: Target;
let base: Holdings;
beforeAll(async () => {
  target = await startTarget();
  // The first calls fill caches and compile code.
  for (let seed = 1; seed <= 100; seed++) await randomCall(target.url, new Random(seed));
  base = await target.holdings();
});
afterAll(() => target[Symbol.asyncDispose]());

const seeds = [...KEPT, ...Array.from({ length: RUNS }, (_, run) => SEED * 1_000_003 + run)];

/** Sends bytes, waits briefly for an answer, and closes or resets the connection. */
async function throwAt(random: Random, bytes: Buffer): Promise<void> {
  const socket = await open(target.url);
  socket.on("error", () => undefined).resume();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MILLIS);
  });
  const cut = random.chance(0.3) ? random.below(bytes.length + 1) : 0;
  if (cut > 0) socket.write(bytes.subarray(0, cut));
  socket.write(bytes.subarray(cut));
  if (random.chance(0.2)) socket.end();
  const data = once(socket, "data").catch(() => undefined);
  await Promise.race([closed, patience, data]);
  clearTimeout(timer);
  if (random.chance(0.5)) socket.resetAndDestroy();
  else socket.destroy();
}

async function isSound(): Promise<void> {
  expect(target.child.exitCode).toBe(null);
  expect(await isServing(target.url)).toBe(true);
  expect(target.defects).toEqual([]);
}

describe("random", () => {
  it("HTTP/1.1 requests", { timeout: 60_000 + RUNS * 1_000 }, async () => {
    for (const seed of seeds) {
      const random = new Random(seed);
      await throwAt(random, http1Request(random, PATHS));
      expect(target.child.exitCode, `seed ${seed}`).toBe(null);
    }
    await isSound();
  });

  it("HTTP/2 frames", { timeout: 60_000 + RUNS * 1_000 }, async () => {
    for (const seed of seeds) {
      const random = new Random(seed);
      await throwAt(random, http2Connection(random, PATHS));
      expect(target.child.exitCode, `seed ${seed}`).toBe(null);
    }
    await isSound();
  });

  it("messages of every method get a documented answer", { timeout: 60_000 + RUNS * 2_000 }, async () => {
    for (const seed of seeds) {
      for (let call = 0; call < 3; call++) {
        expect(await randomCall(target.url, new Random(seed * 3 + call)), `seed ${seed}`).toBe(undefined);
      }
    }
    await isSound();
  });

  it("leaves nothing behind: timers, sockets and memory return to their base", { timeout: 60_000 }, async () => {
    await expect
      .poll(async () => (await target.holdings()).sockets, { timeout: 30_000 })
      .toBeLessThanOrEqual(base.sockets + 2);
    await expect
      .poll(async () => (await target.holdings()).timers, { timeout: 30_000 })
      .toBeLessThanOrEqual(base.timers + 4);
    expect((await target.holdings()).bytes - base.bytes).toBeLessThan(32 * MIB);
  });
});
