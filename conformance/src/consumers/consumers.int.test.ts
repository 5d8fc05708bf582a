/**
 * A short run for CI of exclusive consumers whose processes and servers are killed and frozen. The long run is `npm run
 * conformance:consumers`.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import { handOversOf } from "./hand-overs.ts";
import { runSoak } from "./run.ts";
import type { ConsumerDeviation } from "./settings.ts";
import { summaryOf } from "./summary.ts";

/**
 * Time limit of a call. Nine processes share two cores with another test, so the limit exceeds that of the long run,
 * which has the machine for itself.
 */
const CALL_MILLIS = 3_000;
/** Most runs until enough was seen. The amount of events in a run depends on the machine. */
const MOST_RUNS = 10;

let cluster: Cluster | undefined;

beforeAll(async () => {
  cluster = await Cluster.start({ instances: 3 });
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

it("one consumer at a time handles every entry, and its successor continues in time", {
  timeout: 600_000,
}, async () => {
  let acked = 0;
  let handOvers = 0;
  for (let seed = 1; seed <= MOST_RUNS && (acked <= 100 || handOvers <= 2); seed++) {
    const result = await runSoak(cluster!, { seed, millis: 15_000, callMillis: CALL_MILLIS });
    expect(result.violations, summaryOf(result).join("\n")).toEqual([]);
    acked += result.history.acked.length;
    handOvers += handOversOf(result.history).length;
  }
  // There were entries and hand-overs to lose.
  expect(acked).toBeGreaterThan(100);
  expect(handOvers).toBeGreaterThan(2);
});

it.each<[ConsumerDeviation, string, number, number]>([
  // The seed begins with a long freeze of the active process.
  ["unfenced", "one holder", 11, 6_500],
  // The seeds begin with two kills of the active process.
  ["commits-first", "handled", 35, 5_000],
  ["long-ttl", "hand-over", 7, 5_000],
])("the checker finds consumers that are %s", { timeout: 600_000 }, async (deviation, rule, first, millis) => {
  const found = new Set<string>();
  for (let run = 0; run < MOST_RUNS && !found.has(rule); run++) {
    // The first seed is the one that shows the fault soonest. Each later run lasts longer.
    const options = { seed: first + run, millis: millis * (1 + run / 2), ttl: 1_500, deviation };
    for (const violation of (await runSoak(cluster!, options)).violations) found.add(violation.rule);
  }
  expect([...found]).toContain(rule);
});
