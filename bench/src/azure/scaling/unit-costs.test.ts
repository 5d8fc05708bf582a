import { describe, expect, it } from "vitest";
import type { AzureCosts } from "../counts/azure-costs.ts";
import { ACTION } from "../counts/single-actions.ts";
import { zeroWireCounts } from "../counts/wire-counts.ts";
import { unitCostsOf } from "./unit-costs.ts";

const wire = zeroWireCounts();
const appendsOf = (perAppend: number, requestBytes: number, storedBytes: number) =>
  [false, true].map((expecting) => ({
    ...{ records: 1_000, perAppend, expecting, storedEntities: 0 },
    wire: { ...wire, requestBytes: expecting ? requestBytes - 1_000 : requestBytes },
    storedBytes,
  }));
const costs: AzureCosts = {
  appends: [...appendsOf(10, 1_060_000, 530_000), ...appendsOf(1, 4_300_000, 800_000)],
  reads: [],
};
const actions = [
  { action: ACTION.append, wire: { ...wire, commits: 1, rowsWritten: 5 } },
  { action: ACTION.appendExpecting, wire: { ...wire, commits: 1, rowsWritten: 4 } },
  { action: ACTION.appendToEight, wire: { ...wire, commits: 1, rowsWritten: 19 } },
  { action: ACTION.lostRace, wire: { ...wire, commits: 1, conflicts: 1, pointReads: 1, queries: 1 } },
  { action: ACTION.purge, wire: { ...wire, commits: 12, queries: 3 } },
];
const followers = [
  { spaces: 10, followersPerSpace: 1, requestsPerMinute: 1_200 },
  { spaces: 1, followersPerSpace: 1, requestsPerMinute: 120 },
];
const full = [
  { expecting: false, rows: 86 },
  { expecting: true, rows: 88 },
];
const counted = { costs, actions, followers, full };

describe("unit costs", () => {
  it("are derived from the counts", () => {
    expect(unitCostsOf(counted)).toEqual({
      rowsPerCommit: 2,
      rowsPerSegment: 2,
      rowsPerRemembered: 1,
      requestsPerCommit: 1,
      mostAppends: { expecting: 43, remembered: 28 },
      requestsPerConflict: 3,
      deletesPerRemembered: 0.012,
      scansPerRemembered: 0.003,
      pollsPerSecond: 2,
      sentPerAppend: { expecting: 4_299, remembered: 4_300 },
      sentPerRecord: expect.closeTo((10_590 - 4_299) / 9),
      storedPerAppend: 800,
      storedPerRecord: (5_300 - 800) / 9,
    });
  });

  it("cannot be derived from incomplete counts", () => {
    expect(() => unitCostsOf({ ...counted, actions: actions.slice(1) })).toThrow('"append, warm" was not counted');
    expect(() => unitCostsOf({ ...counted, followers: [] })).toThrow("follower");
    expect(() => unitCostsOf({ ...counted, costs: { ...costs, appends: appendsOf(10, 1, 1) } })).toThrow("one record");
  });
});
