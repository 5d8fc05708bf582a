import { expect, it } from "vitest";
import { MemoryBudget } from "../../memory-budget.ts";
import { NEW_SEGMENT } from "../rows/heads.ts";
import { SegmentHeads } from "./segment-heads.ts";

it("the heads of all spaces share a budget: the space that was written least recently gives heads up, oldest first", () => {
  const budget = new MemoryBudget(1_000);
  const [cold, warm] = [new SegmentHeads(budget), new SegmentHeads(budget)];
  for (const name of ["a", "b"]) cold.set(name, NEW_SEGMENT);
  for (const name of ["c", "d"]) warm.set(name, NEW_SEGMENT);
  expect(cold.get("a")).toEqual(NEW_SEGMENT);
  warm.set("e", NEW_SEGMENT);
  expect([cold.get("a"), cold.get("b")]).toEqual([NEW_SEGMENT, undefined]);
  for (const name of ["f", "g", "h"]) warm.set(name, NEW_SEGMENT);
  expect([cold.bytes, warm.get("c"), warm.get("h")]).toEqual([0, undefined, NEW_SEGMENT]);
  expect(budget.bytes).toBeLessThanOrEqual(1_000);
  expect(budget.bytes).toBe(warm.bytes);
  warm.clear();
  expect([budget.bytes, warm.get("h")]).toEqual([0, undefined]);
});
