import { describe, expect, it } from "vitest";
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
});
