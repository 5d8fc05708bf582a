import type { Sample } from "./peers/peer.ts";
import { percentile } from "./statistics.ts";

/** Runs `work` once and says how many of its `count` units it did per second. */
export async function measureRate(count: number, work: () => Promise<void>): Promise<Sample> {
  const start = performance.now();
  await work();
  return { perSecond: count / ((performance.now() - start) / 1_000) };
}

/**
 * Runs `work` `count` times, one after the other: p50 and p99 of one run, in milliseconds. One more run before them is
 * not counted: it connects, and creates what is written to.
 */
export async function measureLatency(count: number, work: (index: number) => Promise<unknown>): Promise<Sample> {
  await work(0);
  const durations = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await work(index);
    durations[index] = performance.now() - start;
  }
  const sorted = durations.sort();
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/** Runs `work` for 0 to `count` - 1 with at most `lanes` at a time. */
export async function inLanes(count: number, lanes: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
