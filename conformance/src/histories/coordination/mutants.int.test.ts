import { expect, it } from "vitest";
import { Cluster } from "../../lab/cluster.ts";
import type { InstanceDeviation } from "../../lab/instance-faults.ts";
import { runCoordinationHistory } from "./run.ts";

/**
 * Number of seeds after which a deviation counts as not found. A race depends on the machine; most deviations need one
 * or two seeds.
 */
const MOST_SEEDS = 30;

/** Runs seeds on broken instances until one breaks any of the wanted clauses. Returns all broken clauses. */
async function brokenClauses(deviation: InstanceDeviation, wanted: readonly string[]): Promise<string[]> {
  await using cluster = await Cluster.start({ instances: 2, deviation });
  const found = new Set<string>();
  for (let seed = 1; seed <= MOST_SEEDS && !wanted.some((clause) => found.has(clause)); seed++) {
    // Only clocks are wrong, so that trouble explains no finding.
    const { violations } = await runCoordinationHistory(seed, cluster, { clients: 6, steps: 24, troubles: 0 });
    for (const { clause } of violations) found.add(clause);
  }
  return [...found];
}

it.each<[InstanceDeviation, readonly string[]]>([
  ["coordination-condition-ignored", ["LEA-027", "CUR-018"]],
  ["wall-clock-trusted", ["LEA-015"]],
  ["fences-forgotten", ["EXP-009"]],
])("a generated history finds %s", { timeout: 900_000 }, async (deviation, clauses) => {
  const found = await brokenClauses(deviation, clauses);
  expect(clauses.filter((clause) => found.includes(clause))).not.toEqual([]);
});
