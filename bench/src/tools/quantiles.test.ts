import { describe, expect, it } from "vitest";
import { fromSample, meanOf, quantilesOf, toSample, valueAt } from "./quantiles.ts";

const hundred = Array.from({ length: 100 }, (_, i) => i + 1);

describe("quantiles", () => {
  it("go from the smallest to the largest", () => {
    const quantiles = quantilesOf(hundred);
    expect([quantiles[0], quantiles[10], quantiles.at(-1)]).toEqual([1, 50, 100]);
    expect(quantilesOf([7])).toEqual(Array.from({ length: 21 }, () => 7));
  });

  it("pass through a sample beside others", () => {
    const [some, others] = [quantilesOf(hundred), quantilesOf([3])];
    const sample = { count: 5, ...toSample("a", some), ...toSample("b", others) };
    expect([fromSample(sample, "a"), fromSample(sample, "b")]).toEqual([some, others]);
    expect(() => fromSample(sample, "c")).toThrow('no quantiles of "c"');
  });

  it("are joined by lines", () => {
    expect([0, 0.25, 0.5, 0.75, 1].map((share) => valueAt([0, 10, 30], share))).toEqual([0, 5, 10, 20, 30]);
    expect(meanOf([0, 10, 30])).toBe(12.5);
    expect(meanOf(quantilesOf(hundred))).toBeCloseTo(50.5, 0);
  });
});
