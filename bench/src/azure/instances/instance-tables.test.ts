import { describe, expect, it } from "vitest";
import { cellLabel, cellsOf, rawLabel } from "./cell.ts";
import { instanceTable, scalingComparisons } from "./instance-tables.ts";
import { sharingTable } from "./sharing-table.ts";

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

  it("and raw limits have distinct names", () => {
    expect(rawLabel(1, 1, 0)).toBe("raw-table 1 process");
    expect(rawLabel(4, 8, 20)).toBe("raw-table 4 processes x 8 +20 ms");
  });
});

const sample = (commits: number, ofRaw: number) => ({
  ...{ commits, appends: commits * 4, ofRaw },
  ...{ slowestShare: 0.9, conflictsPerCommit: 0.5, readsPerCommit: 1, p50: 10, p99: 100 },
});
const rounds = new Map([
  ["raw-table 1 process", [{ commits: 200, p50: 5, p99: 9 }]],
  ["streamkit 1 instance", [sample(100, 0.5)]],
  ["streamkit 2 instances on one space", [sample(49, 0.2)]],
  ["streamkit 2 instances on a space each", [sample(120, 0.41)]],
]);

describe("several spaces", () => {
  it("reach the same share of the raw limit as one", () => {
    const verdicts = scalingComparisons(rounds, [0]).rows.map(([ours, , metric, , , , target]) => [
      ours,
      metric,
      target,
    ]);
    expect(verdicts).toEqual([
      ["streamkit 2 instances on a space each", "commits", "-"],
      ["streamkit 2 instances on a space each", "ofRaw", ">= 0.800 x: met"],
    ]);
  });
});

describe("one space", () => {
  it("reaches at least half of one instance, with each number of instances", () => {
    const four = new Map([...rounds, ["streamkit 4 instances on one space", [sample(80, 0.2)]]]);
    const { caption, rows } = sharingTable(four, [0]);
    expect(rows.map(([instances, commits, ratio, , , target]) => [instances, commits, ratio, target])).toEqual([
      ["1", "100", "1.00", "-"],
      ["2", "49.0", "0.490", "MISSED"],
      ["4", "80.0", "0.800", "met"],
    ]);
    expect(caption).toContain("of one instance: MISSED");
    expect(sharingTable(new Map([...rounds].slice(0, 2)), [0]).caption).toContain("of one instance: met");
  });

  it("shows how the instances shared the space", () => {
    const { columns, rows } = sharingTable(rounds, [0, 5]);
    expect(Object.fromEntries(columns.map((column, index) => [column, rows[1][index]]))).toMatchObject({
      "slowest share": "0.900",
      "conflicts per commit": "0.500",
      "requests per commit": "2.50",
    });
  });
});

describe("the figures", () => {
  it("omit figures that a raw limit lacks", () => {
    const { columns, rows } = instanceTable(rounds);
    const raw = Object.fromEntries(columns.map((column, index) => [column, rows[0][index]]));
    expect(raw).toMatchObject({ "commits/s": "200", "p50 ms": "5.00", "appends/s": "-", "of raw": "-" });
  });
});
