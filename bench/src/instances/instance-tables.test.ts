import { describe, expect, it } from "vitest";
import { cellLabel, cellsOf, rawLabel } from "./cell.ts";
import { instanceComparisons, instanceTable } from "./instance-tables.ts";

describe("cells", () => {
  it("are one instance, and each number of instances on one space and on a space each", () => {
    expect(cellsOf(5).map(cellLabel)).toEqual([
      "streamkit 1 instance +5 ms",
      "streamkit 2 instances on one space +5 ms",
      "streamkit 2 instances on a space each +5 ms",
      "streamkit 4 instances on one space +5 ms",
      "streamkit 4 instances on a space each +5 ms",
    ]);
  });

  it("and raw limits are told apart by their names", () => {
    expect(rawLabel(1, 1, 0)).toBe("raw-table 1 process");
    expect(rawLabel(4, 8, 20)).toBe("raw-table 4 processes x 8 +20 ms");
  });
});

const sample = (commits: number, ofRaw: number) => ({ commits, appends: commits * 4, ofRaw });
const rounds = new Map([
  ["raw-table 1 process", [{ commits: 200, p50: 5, p99: 9 }]],
  ["streamkit 1 instance", [sample(100, 0.5)]],
  ["streamkit 2 instances on one space", [sample(49, 0.2)]],
  ["streamkit 2 instances on a space each", [sample(120, 0.41)]],
]);

describe("the comparisons", () => {
  it("want at least half of one instance on one space, and the same part of the raw limit on a space each", () => {
    const verdicts = instanceComparisons(rounds, [0]).rows.map(([ours, , metric, , , , target]) => [
      ours,
      metric,
      target,
    ]);
    expect(verdicts).toEqual([
      ["streamkit 2 instances on one space", "commits", ">= 0.500 x: MISSED"],
      ["streamkit 2 instances on one space", "appends", "-"],
      ["streamkit 2 instances on a space each", "commits", "-"],
      ["streamkit 2 instances on a space each", "ofRaw", ">= 0.800 x: met"],
    ]);
  });
});

describe("the figures", () => {
  it("leave out what a raw limit does not have", () => {
    const { columns, rows } = instanceTable(rounds);
    const raw = Object.fromEntries(columns.map((column, index) => [column, rows[0]![index]]));
    expect(raw).toMatchObject({ "commits/s": "200", "p50 ms": "5.00", "appends/s": "-", "of raw": "-" });
  });
});
