import { fromBinary } from "@bufbuild/protobuf";
import { LIMITS, SegmentAppendSchema } from "@streamkit/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { recordSize } from "../wire/record.ts";
import { Batcher } from "./batcher.ts";

const place = { storeId: "x", space: "s" };
const unconditional = () => ({});

test("takes exactly as many records as a transaction may have", () => {
  const batcher = new Batcher(place, {}, unconditional);
  for (let i = 0; i < LIMITS.maxTransactionRecords; i++) {
    expect([batcher.full, batcher.fits("a", 0)]).toEqual([false, true]);
    batcher.add("a", { payload: new Uint8Array(0) }, 0);
  }
  expect([batcher.full, batcher.fits("a", 0)]).toEqual([true, false]);
});

test("takes exactly as many bytes as a transaction may have", () => {
  const batcher = new Batcher(place, {}, unconditional);
  const half = { payload: new Uint8Array(LIMITS.maxTransactionBytes / 2 - 4), metadata: { ab: "cd" } };
  batcher.add("a", half, recordSize(half));
  expect(batcher.fits("a", recordSize(half))).toBe(true);
  expect(batcher.fits("a", recordSize(half) + 1)).toBe(false);
  batcher.add("a", half, recordSize(half));
  expect([batcher.full, batcher.fits("a", 1)]).toEqual([true, false]);
});

test("takes exactly as many segments as a transaction may have", () => {
  const batcher = new Batcher(place, {}, unconditional);
  for (let i = 0; i < LIMITS.maxTransactionSegments; i++) {
    expect(batcher.fits(`s${i}`, 1)).toBe(true);
    batcher.add(`s${i}`, { payload: new Uint8Array(1) }, 1);
  }
  expect(batcher.fits("another", 1)).toBe(false);
  expect(batcher.fits("s0", 1)).toBe(true);
});

test("gives a record that is too large a transaction of its own: the server has the last word", () => {
  const batcher = new Batcher(place, { maxBytes: 10 }, unconditional);
  expect(batcher.fits("a", 11)).toBe(true);
  batcher.add("a", { payload: new Uint8Array(11) }, 11);
  expect(batcher.full).toBe(true);
});

test("splits any sequence of records into transactions that hold all of them, in order per segment", () => {
  const items = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.uint8Array({ maxLength: 20 })), { minLength: 1 });
  fc.assert(
    fc.property(
      items,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 40 }),
      (records, maxRecords, maxBytes) => {
        const batcher = new Batcher(place, { maxRecords, maxBytes }, unconditional);
        const seen: Record<string, string[]> = {};
        const seal = () => {
          const transaction = batcher.seal();
          const appends = transaction.appends.map((append) => fromBinary(SegmentAppendSchema, append));
          const all = appends.flatMap((append) => append.records);
          expect(all.length).toBe(transaction.records);
          expect(all.length).toBeLessThanOrEqual(maxRecords);
          if (all.length > 1) {
            expect(all.reduce((sum, record) => sum + record.payload.length, 0)).toBeLessThanOrEqual(maxBytes);
          }
          for (const append of appends) {
            seen[append.segment] ??= [];
            seen[append.segment].push(...append.records.map((record) => String(record.payload)));
          }
        };
        for (const [segment, payload] of records) {
          if (!batcher.fits(segment, payload.length)) seal();
          batcher.add(segment, { payload }, payload.length);
        }
        seal();
        const expected: Record<string, string[]> = {};
        for (const [segment, payload] of records) {
          expected[segment] ??= [];
          expected[segment].push(String(payload));
        }
        expect(seen).toEqual(expected);
      },
    ),
  );
});
