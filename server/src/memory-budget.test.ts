import { expect, it } from "vitest";
import { type Evictable, MemoryBudget } from "./memory-budget.ts";

/** A cache whose parts have ten bytes each. */
class Tens implements Evictable {
  bytes: number;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  dropOldest(): void {
    this.bytes = Math.max(0, this.bytes - 10);
  }
}

it("takes from the member with the oldest last write", () => {
  const budget = new MemoryBudget(100);
  const [first, second] = [new Tens(60), new Tens(40)];
  budget.grown(first);
  budget.grown(second);
  budget.grown(first);
  first.bytes += 20;
  budget.grown(first);
  expect([first.bytes, second.bytes, budget.bytes]).toEqual([80, 20, 100]);
});

it("counts nothing for members that gave up their parts themselves", () => {
  const budget = new MemoryBudget(100);
  const [emptied, smaller] = [new Tens(30), new Tens(30)];
  budget.grown(emptied);
  budget.grown(smaller);
  emptied.bytes = 0;
  smaller.bytes = 10;
  const large = new Tens(95);
  budget.grown(large);
  expect([emptied.bytes, smaller.bytes, large.bytes, budget.bytes]).toEqual([0, 0, 95, 95]);
});
