import { describe, expect, it } from "vitest";
import { appendsPerSpace, demandOf, type Load, monthlyCost, rowsPerCommit } from "./load.ts";
import type { UnitCosts } from "./unit-costs.ts";

const unit: UnitCosts = {
  rowsPerCommit: 2,
  rowsPerSegment: 2,
  rowsPerRemembered: 1,
  requestsPerCommit: 1,
  mostAppends: { expecting: 43, remembered: 28 },
  requestsPerConflict: 3,
  deletesPerRemembered: 0.01,
  scansPerRemembered: 0.001,
  pollsPerSecond: 1,
  sentPerAppend: { expecting: 3_700, remembered: 4_450 },
  sentPerRecord: 700,
  storedPerAppend: 800,
  storedPerRecord: 500,
};
const load: Load = {
  appendsPerSecond: 100,
  recordsPerAppend: 1,
  appendsPerCommit: 1,
  segmentsPerCommit: 1,
  expecting: false,
  conflictsPerCommit: 0,
  instances: 1,
  followedSpaces: 0,
  commitMillis: 10,
};

describe("rows of a commit", () => {
  it.each([
    [{}, 5],
    [{ expecting: true }, 4],
    [{ appendsPerCommit: 8, segmentsPerCommit: 8 }, 26],
    [{ appendsPerCommit: 8, segmentsPerCommit: 1 }, 12],
    [{ appendsPerCommit: 8, segmentsPerCommit: 1, expecting: true }, 4],
  ])("with %j are %d", (changes, rows) => {
    expect(rowsPerCommit(unit, { ...load, ...changes })).toBe(rows);
  });
});

describe("one space", () => {
  it("is limited by its entities, including the later removal of remembered transactions", () => {
    expect(appendsPerSpace(unit, load).byEntities).toBeCloseTo(2_000 / 6);
    expect(appendsPerSpace(unit, { ...load, expecting: true }).byEntities).toBe(500);
  });

  it("has one commit under way at a time", () => {
    expect(appendsPerSpace(unit, { ...load, appendsPerCommit: 22, commitMillis: 20 }).byLatency).toBe(1_100);
  });
});

describe("the demand of a load", () => {
  it("of appends alone is one request each, and the removal of remembered transactions", () => {
    expect(demandOf(unit, load)).toMatchObject({
      commitsPerSecond: 100,
      writesPerSecond: 101,
      readsPerSecond: expect.closeTo(0.3),
      entitiesPerSecond: 600,
      sentPerSecond: 445_000,
      storedPerSecond: 80_000,
      spaces: 1,
      accounts: 1,
      accountsByEntities: 1,
    });
    expect(demandOf(unit, { ...load, expecting: true })).toMatchObject({ writesPerSecond: 100, readsPerSecond: 0 });
  });

  it("grows with conflicts: a refused transaction, and reads", () => {
    const alone = demandOf(unit, load);
    const contested = demandOf(unit, { ...load, conflictsPerCommit: 0.5 });
    expect(contested.writesPerSecond - alone.writesPerSecond).toBeCloseTo(50);
    expect(contested.readsPerSecond - alone.readsPerSecond).toBeCloseTo(100);
  });

  it("grows with followed spaces of every instance, while nothing happens", () => {
    const idle = demandOf(unit, { ...load, appendsPerSecond: 0, instances: 4, followedSpaces: 1_000 });
    expect(idle).toMatchObject({ writesPerSecond: 0, readsPerSecond: 4_000, spaces: 0, accounts: 1 });
  });

  it("sends each record, and shares the fixed part of a commit", () => {
    const more = demandOf(unit, { ...load, recordsPerAppend: 11 });
    expect(more.sentPerSecond).toBeCloseTo(100 * (4_450 + 10 * 700));
    expect(more.storedPerSecond).toBeCloseTo(100 * (800 + 10 * 500));
    const shared = demandOf(unit, { ...load, appendsPerCommit: 8, segmentsPerCommit: 8 });
    expect(shared.sentPerSecond).toBeCloseTo(100 * (700 + 3_750 * (26 / 8 / 5)));
  });

  it("needs more spaces and accounts than the limits allow for one", () => {
    const large = demandOf(unit, { ...load, appendsPerSecond: 10_000 });
    expect(large.spaces).toBe(100);
    expect(large.accounts).toBe(1);
    expect(large.accountsByEntities).toBe(4);
  });
});

describe("the cost of a month", () => {
  const prices = { perTenThousandWrites: 2, perTenThousandReads: 1, perGigabyteMonth: 10 };

  it("is that of requests, or of entities, and of storage", () => {
    const demand = demandOf(unit, { ...load, expecting: true, instances: 1, followedSpaces: 10 });
    const month = 30 * 86_400;
    expect(monthlyCost(demand, prices)).toEqual({
      requests: expect.closeTo((month * (100 * 2 + 10 * 1)) / 10_000),
      requestsByEntities: expect.closeTo((month * (400 * 2 + 10 * 1)) / 10_000),
      storage: expect.closeTo(((80_000 * month) / 1e9) * 10),
    });
  });
});
