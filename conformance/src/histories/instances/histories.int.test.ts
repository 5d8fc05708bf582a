/** Faults 10 to 13 and 15 to 19, all together and at random, against three server processes on one Azurite. */
import { expect, it } from "vitest";
import { writeHistory } from "../entries/write-history.ts";
import { runSeeds } from "./run-seeds.ts";

/**
 * A small run for CI. `npm run conformance:histories -- --instances 3 --runs 200 --parallel 2` runs ten times as many,
 * and larger ones.
 */
const SEEDS = Array.from({ length: 20 }, (_, index) => 1 + index);
const SIZE = { instances: 3, transactions: 100, troubles: 8 };

it(`${SEEDS.length} generated histories are good`, { timeout: 600_000 }, async () => {
  const bad: unknown[] = [];
  let acked = 0;
  await runSeeds(SEEDS, { ...SIZE, parallel: 2 }, (result) => {
    acked += result.appends.acked;
    if (result.violations.length === 0) return;
    const options = Object.entries({ ...SIZE, seed: result.seed }).map(([name, value]) => `--${name} ${value}`);
    const again = `npm run conformance:histories -- ${options.join(" ")}`;
    bad.push({ again, history: writeHistory(result), violations: result.violations.slice(0, 5) });
  });
  expect(bad).toEqual([]);
  // There were entries to lose.
  expect(acked).toBeGreaterThan(70 * SEEDS.length);
});
