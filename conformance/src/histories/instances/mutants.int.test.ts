import { expect, it } from "vitest";
import { Cluster } from "../../lab/cluster.ts";
import type { InstanceDeviation } from "../../lab/deviations.ts";
import { runClusterHistory } from "./run.ts";

/**
 * Seeds after which a deviation counts as not found. Whether a race comes about is the machine's; most need one or two.
 */
const MOST_SEEDS = 30;

/** Runs seeds on broken instances until one breaks any of some clauses; which clauses were seen to be broken. */
async function brokenClauses(deviation: InstanceDeviation, troubles: number, wanted: readonly string[]) {
  await using cluster = await Cluster.start({ instances: 3, deviation });
  const found = new Set<string>();
  for (let seed = 1; seed <= MOST_SEEDS && !wanted.some((clause) => found.has(clause)); seed++) {
    const options = { transactions: 100, troubles, followMillis: 1_000 };
    for (const { clause } of (await runClusterHistory(seed, cluster, options)).violations) found.add(clause);
  }
  return [...found];
}

it.each<[InstanceDeviation, number, readonly string[]]>([
  // Rows that overwrite each other are also found by the servers themselves, which then refuse to read.
  ["head-condition-ignored", 0, ["ORD-002", "LOU-001"]],
  ["cached-head-trusted", 0, ["LIN-001"]],
  ["never-polls", 0, ["FOL-001"]],
  // Others remember what they have seen; an instance that is started again has to look.
  ["transactions-forgotten", 12, ["DED-001"]],
])("a generated history finds %s out", { timeout: 900_000 }, async (deviation, troubles, clauses) => {
  const found = await brokenClauses(deviation, troubles, clauses);
  expect(clauses.filter((clause) => found.includes(clause))).not.toEqual([]);
});
