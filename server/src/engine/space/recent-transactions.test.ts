import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../memory-budget.ts";
import { RecentTransactions } from "./recent-transactions.ts";

const at = (commitTimeMicros: number) => ({ number: commitTimeMicros, commitTimeMicros, ranges: [], commitId: 0n });

describe("recent transactions", () => {
  it("know what was added", () => {
    const recent = new RecentTransactions(0);
    recent.add("a", at(1));
    expect(recent.get("a")).toEqual(at(1));
    expect(recent.get("b")).toBeUndefined();
  });

  it("are complete only since the given time", () => {
    const recent = new RecentTransactions(100);
    expect(recent.isCompleteSince(100)).toBe(true);
    expect(recent.isCompleteSince(99)).toBe(false);
  });

  it("forget the oldest beyond their capacity, and report it (G7)", () => {
    const recent = new RecentTransactions(0, 2);
    for (const time of [10, 20, 30]) recent.add(`t${time}`, at(time));
    expect(recent.get("t10")).toBeUndefined();
    expect(recent.get("t20")).toEqual(at(20));
    // t10 was committed at 10: the cache is complete for times after 10, and incomplete since 9.
    expect(recent.isCompleteSince(9)).toBe(false);
    expect(recent.isCompleteSince(10)).toBe(true);
  });

  it("give results up to a budget that they share, and say so", () => {
    const budget = new MemoryBudget(3_000);
    const [cold, warm] = [0, 0].map(() => new RecentTransactions(0, 100, 100_000, budget));
    for (const time of [10, 20, 30]) cold.add(`t${time}`, at(time));
    for (const time of [40, 50, 60]) warm.add(`t${time}`, at(time));
    expect(cold.get("t10")).toBeUndefined();
    expect([cold.isCompleteSince(0), cold.isCompleteSince(20)]).toEqual([false, true]);
    expect(warm.isCompleteSince(0)).toBe(true);
    expect(budget.bytes).toBe(cold.bytes + warm.bytes);
    cold.close();
    expect(budget.bytes).toBe(warm.bytes);
  });
});
