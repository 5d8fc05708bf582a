import { describe, expect, it } from "vitest";
import { zeroWireCounts } from "../counts/wire-counts.ts";
import { summary } from "./measure-cell.ts";
import { sizeOf } from "./raw-limit.ts";

const period = { warmUpMillis: 500, millis: 2_000 };
const fast = { count: 90, p50: 10, p99: 20 };
const slow = { count: 10, p50: 30, p99: 900 };

describe("the summary of a cell", () => {
  const wires = [
    { ...zeroWireCounts(), commits: 40, rowsWritten: 400 },
    { ...zeroWireCounts(), commits: 10, rowsWritten: 100, conflicts: 5, pointReads: 20, queries: 10 },
  ];

  it("covers all instances together, per second and per commit", () => {
    expect(summary([fast, slow], { wires, cpuMillis: 500 }, period).sample).toEqual({
      commits: 25,
      appends: 50,
      appendsPerCommit: 2,
      rowsPerCommit: 10,
      conflictsPerCommit: 0.1,
      failures: 0,
      readsPerCommit: 0.6,
      slowestShare: 0.2,
      p50: 20,
      p99: 900,
      cpuPerCommit: 10,
    });
  });

  it("shows equal instances as 1, and an instance without any progress as 0", () => {
    const share = (...counts: number[]) =>
      summary(
        counts.map((count) => ({ ...fast, count })),
        { wires, cpuMillis: undefined },
        period,
      ).sample.slowestShare;
    expect(share(30, 30, 30)).toBe(1);
    expect(share(30, 0)).toBe(0);
  });
});

describe("the size of transactions", () => {
  it("is the average size", () => {
    expect(sizeOf({ ...zeroWireCounts(), commits: 4, rowsWritten: 46, requestBytes: 40_000 })).toEqual({
      operations: 12,
      bytes: 10_000,
    });
  });
});
