import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EncodedBatch, parseBatch } from "../rows/batch.ts";
import { NEW_SEGMENT } from "../rows/heads.ts";
import { batchesOf, SegmentTail } from "./segment-tail.ts";

const NO_BOUNDS = {
  min: 1,
  max: Number.MAX_SAFE_INTEGER,
  minTimeMicros: 0,
  maxTimeMicros: Number.MAX_SAFE_INTEGER,
  limit: Number.POSITIVE_INFINITY,
};

/** A batch with records of so many bytes each. */
function batchOf(firstSequence: number, count: number, bytes = 3): EncodedBatch {
  const record = Buffer.concat([Buffer.from([(7 << 3) | 2]), varint(bytes), Buffer.alloc(bytes, firstSequence)]);
  const header = {
    segment: "a",
    firstSequence,
    firstOffset: firstSequence + 100,
    count,
    commitTimeMicros: firstSequence * 10,
    transactionId: "t",
    transactionNumber: firstSequence,
  };
  return new EncodedBatch("s", header, Buffer.concat(Array.from({ length: count }, () => record)));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

/** Batches of these numbers of entries, from a sequence on. */
function batchesFrom(first: number, counts: readonly number[]): EncodedBatch[] {
  let next = first;
  return counts.map((count) => {
    const batch = batchOf(next, count);
    next += count;
    return batch;
  });
}

const tailOf = (batches: EncodedBatch[], min = 1) =>
  SegmentTail.of(min, { batches, next: (batches.at(-1)?.lastSequence ?? 0) + 1, caughtUp: true });

describe("a tail", () => {
  it("has the pages that a read from storage has", () => {
    const plan = fc.record({
      first: fc.integer({ min: 1, max: 9 }),
      counts: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 }),
      later: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
      min: fc.integer({ min: 1, max: 30 }),
      max: fc.integer({ min: 1, max: 50 }),
      limit: fc.constantFrom(1, 2, 5, Number.MAX_SAFE_INTEGER),
      trimmed: fc.integer({ min: 0, max: 12 }),
    });
    fc.assert(
      fc.property(plan, ({ first, counts, later, min, max, limit, trimmed }) => {
        const all = batchesFrom(first, [...counts, ...later]);
        const tail = tailOf(all.slice(0, counts.length)) as SegmentTail;
        for (const batch of all.slice(counts.length)) expect(tail.add(batch)).toBe(true);
        const lastSequence = tail.next - 1;
        const head = { ...NEW_SEGMENT, firstSequence: Math.min(first + trimmed, tail.next), lastSequence };
        const page = tail.page(head, { ...NO_BOUNDS, min, max, limit });
        const from = Math.max(head.firstSequence, min);
        const through = Math.min(lastSequence, max, from + limit - 1);
        const wanted = all.flatMap((batch) => {
          const start = Math.max(from, batch.firstSequence);
          const end = Math.min(through, batch.lastSequence);
          return start > end ? [] : [batch.slice(start - batch.firstSequence, end - batch.firstSequence + 1)];
        });
        expect(page?.next).toBe(Math.max(from, through + 1));
        expect(page?.caughtUp).toBe((page?.next ?? 0) > lastSequence);
        expect(page && batchesOf(page).map((bytes) => Buffer.from(bytes))).toEqual(
          wanted.map(({ bytes }) => Buffer.from(bytes)),
        );
      }),
    );
  });

  it("has no page for a read that begins before it, or ends behind it", () => {
    const tail = tailOf(batchesFrom(10, [2, 2]), 10) as SegmentTail;
    const head = { ...NEW_SEGMENT, firstSequence: 1, lastSequence: 13 };
    expect(tail.page(head, { ...NO_BOUNDS, min: 9 })).toBeUndefined();
    expect(tail.page({ ...head, lastSequence: 14 }, { ...NO_BOUNDS, min: 10 })).toBeUndefined();
    expect(tail.page({ ...head, lastSequence: 14 }, { ...NO_BOUNDS, min: 10, max: 13 })?.caughtUp).toBe(false);
  });

  it("takes only the batch that follows", () => {
    const tail = tailOf(batchesFrom(1, [2])) as SegmentTail;
    for (const first of [1, 2, 4]) expect(tail.add(batchOf(first, 1))).toBe(false);
    expect(tail.next).toBe(3);
    expect(tailOf([batchOf(1, 1), batchOf(3, 1)])).toBeUndefined();
  });

  it("has at most 256 KiB, and at most one page (SIZ-002)", () => {
    expect(tailOf([batchOf(1, 1, 262_000)])?.byteLength).toBeLessThan(263_000);
    expect(tailOf([batchOf(1, 1, 262_144)])).toBeUndefined();
    expect(tailOf([batchOf(1, 100_000, 0)])).toBeUndefined();
    const tail = tailOf([batchOf(1, 1, 200_000)]) as SegmentTail;
    expect(tail.add(batchOf(2, 1, 100_000))).toBe(false);
    expect(tail.next).toBe(2);
    let added = 0;
    while (tail.add(batchOf(tail.next, 1, 1_000))) added++;
    expect([added, tail.byteLength < 265_000]).toEqual([60, true]);
    const bytes = batchesOf(tail.page({ ...NEW_SEGMENT, lastSequence: tail.next - 1 }, NO_BOUNDS)!);
    expect(bytes.map((batch) => parseBatch(batch).firstSequence)).toEqual(Array.from({ length: 61 }, (_, i) => i + 1));
  });
});
