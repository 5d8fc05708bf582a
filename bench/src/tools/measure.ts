import type { Period, Sample } from "../peers/peer.ts";
import { percentile } from "./statistics.ts";

/** Runs `work` once, and resolves with its rate: `count` units per second, and milliseconds of CPU of each unit. */
export async function measureRate(count: number, work: () => Promise<void>): Promise<Sample> {
  const start = performance.now();
  const before = process.cpuUsage();
  await work();
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(before);
  return { perSecond: count / seconds, clientCpu: (user + system) / 1_000 / count };
}

/**
 * Runs `work` `count` times, one after the other. Resolves with p50 and p99 of one run, in milliseconds. An additional
 * first run is not counted: it connects, and creates the streams to write.
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

/** The turns of lanes in a period. */
interface Loops {
  /** Number of turns that ended in the measured part of the period. */
  readonly count: number;
  /**
   * Sorted durations of turns, in milliseconds: of the counted ones, and of those under way at the end, so that a lane
   * without a finished turn shows too.
   */
  readonly durations: Float64Array;
}

/** Lets each lane run one turn after the other during the period, and at least one. */
export async function measureLoops(
  lanes: number,
  { warmUpMillis, millis }: Period,
  work: (lane: number, turn: number) => Promise<unknown>,
): Promise<Loops> {
  const from = performance.now() + warmUpMillis;
  const until = from + millis;
  const durations: number[] = [];
  let count = 0;
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      let start = performance.now();
      let turn = 0;
      // A process that had to wait for its machine may begin after the end. It must have a result all the same.
      do {
        await work(lane, turn++);
        const end = performance.now();
        if (end >= from) durations.push(end - start);
        if (end >= from && end < until) count++;
        start = end;
      } while (start < until);
    }),
  );
  return { count, durations: Float64Array.from(durations).sort() };
}

/** Runs `work` for 0 to `count` - 1 with at most `lanes` at a time. */
export async function inLanes(count: number, lanes: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
