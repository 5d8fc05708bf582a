/**
 * Exclusive consumers whose processes and servers are killed and frozen: small, for CI. The long run is `npm run
 * conformance:consumers`.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import { handOversOf } from "./hand-overs.ts";
import { runSoak } from "./run.ts";
import type { ConsumerDeviation } from "./settings.ts";
import { summaryOf } from "./summary.ts";

/**
 * Nine processes on two cores, beside another test: more than the long run allows, which has its machine for itself.
 */
const CALL_MILLIS = 3_000;
/** How often it is tried to see enough, or what is broken: how much happens in a run is the machine's. */
const MOST_RUNS = 10;

let cluster: Cluster | undefined;

beforeAll(async () => {
  cluster = await Cluster.start({ instances: 3 });
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

it("every entry is handled, by one at a time, and the next one goes on in time", { timeout: 600_000 }, async () => {
  let acked = 0;
  let handOvers = 0;
  for (let seed = 1; seed <= MOST_RUNS && (acked <= 100 || handOvers <= 2); seed++) {
    const result = await runSoak(cluster!, { seed, millis: 15_000, callMillis: CALL_MILLIS });
    expect(result.violations, summaryOf(result).join("\n")).toEqual([]);
    acked += result.history.acked.length;
    handOvers += handOversOf(result.history).length;
  }
  // There was something to lose.
  expect(acked).toBeGreaterThan(100);
  expect(handOvers).toBeGreaterThan(2);
});

it.each<[ConsumerDeviation, string, number, number]>([
  // The first trouble of the seed is a long freeze of the active one.
  ["unfenced", "one holder", 11, 6_500],
  // The first two are kills of the active one.
  ["commits-first", "handled", 35, 5_000],
  ["long-ttl", "hand-over", 7, 5_000],
])("consumers that are %s are found out", { timeout: 600_000 }, async (deviation, rule, first, millis) => {
  const found = new Set<string>();
  for (let run = 0; run < MOST_RUNS && !found.has(rule); run++) {
    // The seed that shows it soonest comes first; each that follows has more time for its trouble.
    const options = { seed: first + run, millis: millis * (1 + run / 2), ttl: 1_500, deviation };
    for (const violation of (await runSoak(cluster!, options)).violations) found.add(violation.rule);
  }
  expect([...found]).toContain(rule);
});
