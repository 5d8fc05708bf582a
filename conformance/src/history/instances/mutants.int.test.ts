import { expect, it } from "vitest";
import type { InstanceDeviation } from "../../instances/deviations.ts";
import { runSeeds } from "./run-seeds.ts";

/** What a broken instance is seen to break. */
async function brokenClauses(deviation: InstanceDeviation, troubles: number): Promise<Set<string>> {
  const found = new Set<string>();
  const options = { instances: 3, transactions: 120, troubles, followMillis: 1_000, deviation };
  await runSeeds([7], options, ({ violations }) => {
    for (const { clause } of violations) found.add(clause);
  });
  return found;
}

it.each<[InstanceDeviation, number, readonly string[]]>([
  // Rows that overwrite each other are also found by the servers themselves, which then refuse to read.
  ["head-condition-ignored", 0, ["ORD-002", "LOU-001"]],
  ["cached-head-trusted", 0, ["LIN-001"]],
  ["never-polls", 0, ["FOL-001"]],
  // Others remember what they have seen; an instance that is started again has to look.
  ["transactions-forgotten", 12, ["DED-001"]],
])("a generated history finds %s out", { timeout: 120_000 }, async (deviation, troubles, clauses) => {
  const found = await brokenClauses(deviation, troubles);
  expect(clauses.filter((clause) => found.has(clause))).not.toEqual([]);
});
