import { describe, expect, it } from "vitest";
import { MemoryBudget } from "../../memory-budget.ts";
import { EncodedBatch } from "../rows/batch.ts";
import { SecondReads } from "./second-reads.ts";
import { SegmentTails } from "./segment-tails.ts";

function batchOf(segment: string, firstSequence: number): EncodedBatch {
  const header = {
    segment,
    firstSequence,
    firstOffset: firstSequence,
    count: 1,
    commitTimeMicros: 1,
    transactionId: "t",
    transactionNumber: firstSequence,
  };
  return new EncodedBatch("s", header, Buffer.concat([Buffer.from([(7 << 3) | 2, 100]), Buffer.alloc(100)]));
}

/** Reads a segment with one entry, as often as given. */
function read(tails: SegmentTails, segment: string, times = 2): void {
  for (let i = 0; i < times; i++) {
    if (tails.get(segment) === undefined)
      tails.offer(segment, 1, { batches: [batchOf(segment, 1)], next: 2, caughtUp: true });
  }
}

describe("the tails of a space", () => {
  it("begin with the second read of a segment", () => {
    const tails = new SegmentTails();
    read(tails, "a", 1);
    expect([tails.peek("a"), tails.bytes]).toEqual([undefined, 0]);
    read(tails, "a", 1);
    expect(tails.peek("a")?.next).toBe(2);
    tails.close();
  });

  it("are bounded by bytes, and the one that was read the longest time ago goes first", () => {
    const budget = new MemoryBudget(1_000_000);
    const tails = new SegmentTails(2_700, budget);
    for (const segment of ["a", "b", "c"]) read(tails, segment);
    read(tails, "a");
    // Commits are no reads: a tail that nobody reads makes room.
    tails.add(batchOf("b", 2));
    read(tails, "d");
    expect(["a", "b", "c", "d"].filter((segment) => tails.peek(segment) !== undefined)).toEqual(["a", "c", "d"]);
    expect(tails.bytes).toBeLessThanOrEqual(2_700);
    expect(budget.bytes).toBe(tails.bytes);
    for (const segment of ["a", "c", "d"]) tails.delete(segment);
    expect([tails.bytes, budget.bytes]).toEqual([0, 0]);
  });

  it("grow with commits until they are too large", () => {
    const budget = new MemoryBudget(10_000_000);
    const tails = new SegmentTails(5_000_000, budget);
    read(tails, "a");
    let next = 2;
    for (; tails.peek("a") !== undefined; next++) {
      expect(budget.bytes).toBe(tails.bytes);
      tails.add(batchOf("a", next));
    }
    expect(next).toBeGreaterThan(1_000);
    expect([tails.bytes, budget.bytes]).toEqual([0, 0]);
  });

  it("keep nothing once the space is closed", () => {
    const budget = new MemoryBudget(1_000_000);
    const tails = new SegmentTails(10_000, budget);
    read(tails, "a");
    tails.close();
    read(tails, "a");
    expect([tails.bytes, budget.bytes]).toEqual([0, 0]);
  });
});

describe("second reads", () => {
  it("are told from first ones among many segments", () => {
    const reads = new SecondReads();
    const salt = reads.salt();
    const names = Array.from({ length: 10_000 }, (_, i) => `order-${i}`);
    const early = names.filter((name) => reads.isSecond(salt, name)).length;
    const second = names.filter((name) => reads.isSecond(salt, name)).length;
    // Segments that share a slot forget each other; about one in six of them at this number.
    expect([early < 10, second > 8_000]).toEqual([true, true]);
  });

  it("belong to one space", () => {
    const reads = new SecondReads();
    const [one, other] = [reads.salt(), reads.salt()];
    expect([reads.isSecond(one, "a"), reads.isSecond(other, "a"), reads.isSecond(one, "a")]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
