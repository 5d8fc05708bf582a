import { describe, expect, it } from "vitest";
import { percentile, summarize } from "./statistics.ts";

describe("summarize", () => {
  it("takes the middle of an odd number of figures, in numerical order", () => {
    expect(summarize([10, 9, 100])).toEqual({ median: 10, min: 9, max: 100 });
  });

  it("takes the mean of the two middle figures of an even number", () => {
    expect(summarize([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
  });

  it("refuses to summarise nothing", () => {
    expect(() => summarize([])).toThrow("nothing was measured");
  });
});

describe("percentile", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);

  it.each([
    [0.5, 50],
    [0.99, 99],
    [1, 100],
  ])("at %d of 1..100 is %d", (share, expected) => {
    expect(percentile(hundred, share)).toBe(expected);
  });

  it("of one figure is that figure", () => {
    expect(percentile([7], 0.01)).toBe(7);
  });
});
