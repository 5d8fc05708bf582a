import { expect, it } from "vitest";
import { Cluster } from "../../lab/cluster.ts";
import type { InstanceDeviation } from "../../lab/instance-faults.ts";
import { runClusterHistory } from "./run.ts";

/**
 * Number of seeds after which a deviation counts as not found. A race depends on the machine; most deviations need one
 * or two seeds.
 */
const MOST_SEEDS = 30;

/** Runs seeds on broken instances until one breaks any of the wanted clauses. Returns all broken clauses. */
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
  // Servers also find rows that overwrite each other, and then refuse to read.
  ["head-condition-ignored", 0, ["ORD-002", "LOU-001"]],
  ["cached-head-trusted", 0, ["LIN-001"]],
  ["never-polls", 0, ["FOL-001"]],
  // The other instances remember recent transactions; a restarted instance must look in storage.
  ["transactions-forgotten", 12, ["DED-001"]],
])("a generated history finds %s", { timeout: 900_000 }, async (deviation, troubles, clauses) => {
  const found = await brokenClauses(deviation, troubles, clauses);
  expect(clauses.filter((clause) => found.includes(clause))).not.toEqual([]);
});
