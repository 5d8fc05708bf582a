import type { CommandsJob, Sample } from "../peers/peer.ts";
import { inLanes } from "./measure.ts";
import { percentile } from "./statistics.ts";

/**
 * Loads an aggregate and saves one event behind its last one. Resolves with the event's place in the aggregate, from 1;
 * undefined if another command has saved an event since.
 */
type Attempt = (aggregate: number) => Promise<number | undefined> | number | undefined;

/**
 * Runs the commands of a job, each until it has saved its event. Throws unless each event has a place of its own behind
 * the first events of its aggregate.
 */
export async function measureCommands(job: CommandsJob, attempt: Attempt): Promise<Sample> {
  const { aggregates, entries, commands, concurrency, seed } = job;
  const durations = new Float64Array(commands);
  const places = new Set<string>();
  let conflicts = 0;
  const begin = performance.now();
  await inLanes(commands, concurrency, async (index) => {
    const start = performance.now();
    const aggregate = Math.floor(fraction(seed * commands + index) * aggregates);
    let place = await attempt(aggregate);
    for (; place === undefined; place = await attempt(aggregate)) conflicts++;
    durations[index] = performance.now() - start;
    if (place <= entries) throw new Error(`an event was saved at ${place}, which is among the first ${entries}`);
    places.add(`${aggregate} ${place}`);
  });
  const seconds = (performance.now() - begin) / 1_000;
  if (places.size !== commands) throw new Error(`${commands} commands saved events at ${places.size} places`);
  const sorted = durations.sort();
  return {
    perSecond: commands / seconds,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    conflicts: (conflicts / commands) * 1_000,
  };
}

/** A fixed pseudo-random number from 0 to 1 for each index, equal in every process (splitmix32). */
function fraction(index: number): number {
  let mixed = (index + 1) * 0x9e3779b9;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}
