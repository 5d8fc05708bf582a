/** Exclusive consumers whose processes and servers are killed and frozen: small, for CI. The long run is `npm run conformance:consumers`. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster } from "../instances/cluster.ts";
import { handOversOf } from "./hand-overs.ts";
import { runSoak } from "./run.ts";
import type { ConsumerDeviation } from "./settings.ts";
import { summaryOf } from "./summary.ts";

let cluster: Cluster | undefined;

beforeAll(async () => {
  cluster = await Cluster.start({ instances: 3 });
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

it("every entry is handled, by one at a time, and the next one goes on in time", { timeout: 180_000 }, async () => {
  const result = await runSoak(cluster!, { seed: 1, millis: 15_000 });
  expect(result.violations, summaryOf(result).join("\n")).toEqual([]);
  // There was something to lose.
  expect(result.history.acked.length).toBeGreaterThan(100);
  expect(handOversOf(result.history).length).toBeGreaterThan(2);
});

it.each<[ConsumerDeviation, string, number, number]>([
  // The first trouble of the seed is a long freeze of the active one.
  ["unfenced", "one holder", 11, 6_500],
  // The first two are kills of the active one.
  ["commits-first", "handled", 35, 5_000],
  ["long-ttl", "hand-over", 7, 5_000],
])("consumers that are %s are found out", { timeout: 180_000 }, async (deviation, rule, seed, millis) => {
  const { violations } = await runSoak(cluster!, { seed, millis, ttl: 1_500, deviation });
  expect(violations.map((violation) => violation.rule)).toContain(rule);
});
