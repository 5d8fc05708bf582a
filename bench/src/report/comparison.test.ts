import { describe, expect, it } from "vitest";
import { againstAll, aimAtLeast, type Comparison, comparisonTable, targetAtMost } from "./comparison.ts";

const rounds = new Map([
  ["ours", [{ perSecond: 100 }, { perSecond: 30 }, { perSecond: 80 }]],
  ["peer", [{ perSecond: 50 }, { perSecond: 10 }, { perSecond: 80 }]],
]);
const compare = (comparison: Partial<Comparison>) =>
  comparisonTable(rounds, [
    { ours: "ours", against: "peer", metric: "perSecond", by: "ratio", bounds: [], ...comparison },
  ]).rows;

describe("comparisonTable", () => {
  it("takes the median of the rounds' ratios, not the ratio of the medians", () => {
    expect(compare({ bounds: [aimAtLeast(2)] })).toEqual([
      ["ours", "peer", "perSecond", "2.00 x", "1.00 x", "3.00 x", "-", ">= 2.00 x: met"],
    ]);
  });

  it("reports a missed bound", () => {
    expect(compare({ by: "difference", bounds: [targetAtMost(19)] })[0].at(-2)).toBe("<= +19.0 ms: MISSED");
  });

  it("omits subjects that did not take part", () => {
    expect(compare({ against: "absent" })).toEqual([]);
  });
});

describe("againstAll", () => {
  it("keeps the special comparisons and adds the missing pairs", () => {
    const special: Comparison[] = [{ ours: "a", against: "x", metric: "p50", by: "difference", bounds: [] }];
    expect(againstAll(["a"], ["x", "y"], ["p50"], special).map(({ against, by }) => [against, by])).toEqual([
      ["x", "difference"],
      ["y", "ratio"],
    ]);
  });
});
