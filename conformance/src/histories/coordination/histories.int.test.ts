import { expect, it } from "vitest";
import { Cluster } from "../../lab/cluster.ts";
import { writeHistory } from "../entries/write-history.ts";
import { runCoordinationHistory } from "./run.ts";

const SEEDS = [1, 2, 3];
const SIZE = { clients: 6, steps: 30, troubles: 5 };

it("leases, tokens and cursors are good on three instances in any trouble", {
  timeout: 180_000,
}, async () => {
  await using cluster = await Cluster.start({ instances: 3 });
  for (const seed of SEEDS) {
    const result = await runCoordinationHistory(seed, cluster, SIZE);
    const where = result.violations.length === 0 ? "" : ` (${writeHistory(result)})`;
    expect(result.violations, `seed ${seed}${where}`).toEqual([]);
    // With too few grants, trouble has prevented everything worth checking.
    const granted = result.history.filter((event) => event.kind === "lease" && event.outcome.is === "granted");
    expect(granted.length, `seed ${seed}`).toBeGreaterThan(10);
  }
});
