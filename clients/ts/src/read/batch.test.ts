import { create, toBinary } from "@bufbuild/protobuf";
import { EntryBatchSchema } from "@streamkit/protocol";
import { WireFormatError } from "@streamkit/protocol/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytes, type Codec } from "../codec.ts";
import { decodeBatch } from "./batch.ts";

const codec = bytes as Codec<Uint8Array, never>;
const position = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1_000 });
const label = fc.string({ unit: "grapheme", maxLength: 20 });
const model = fc.record({
  space: label,
  segment: label,
  firstSequence: position,
  firstOffset: position,
  commitTimeMicros: fc.integer({ min: -62_135_596_800_000_000 / 10, max: 2 ** 52 }),
  transactionId: fc.uuid(),
  transactionNumber: position,
  records: fc.array(
    fc.record({
      payload: fc.uint8Array({ maxLength: 200 }),
      metadata: fc.dictionary(label, label, { maxKeys: 3, noNullPrototype: true }),
    }),
    { minLength: 1, maxLength: 10 },
  ),
});

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

test("reads what the generated code writes", () => {
  fc.assert(
    fc.property(model, fc.nat(9), (expected, cut) => {
      const whole = decodeBatch(STORE, encode(expected), codec);
      const skipped = cut % expected.records.length;
      for (const [batch, skip] of [
        [whole, 0],
        [whole.after(skipped), skipped],
      ] as const) {
        const { records, ...header } = expected;
        const firstSequence = header.firstSequence + skip;
        const firstOffset = header.firstOffset + skip;
        expect(batch).toMatchObject({ firstSequence, firstOffset, length: records.length - skip });
        const entries = [...batch];
        expect(entries.length).toBe(batch.length);
        for (const [i, entry] of entries.entries()) {
          expect(Buffer.from(entry.payload)).toEqual(Buffer.from(records[skip + i].payload));
          expect(entry.metadata).toEqual(records[skip + i].metadata);
          expect(entry.sequence).toBe(firstSequence + i);
          expect(entry.offset).toBe(firstOffset + i);
          expect(entry.commitTimeMicros).toBe(header.commitTimeMicros);
          expect(entry.commitTime.getTime()).toBe(Math.floor(header.commitTimeMicros / 1_000));
          expect(entry.space).toBe(header.space);
          expect(entry.segment).toBe(header.segment);
          expect(entry.transactionId).toBe(header.transactionId);
          expect(entry.transactionNumber).toBe(header.transactionNumber);
        }
      }
    }),
  );
});

test("refuses bytes that are cut off", () => {
  const whole = encode({
    space: "s",
    segment: "a",
    firstSequence: 1,
    firstOffset: 1,
    commitTimeMicros: 1,
    transactionId: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    transactionNumber: 1,
    records: [{ payload: new Uint8Array(10), metadata: {} }],
  });
  expect(() => decodeBatch(STORE, whole.subarray(0, whole.length - 1), codec)).toThrow(WireFormatError);
});

test("passes over fields of later versions", () => {
  const unknown = Uint8Array.of(0x7a, 2, 1, 2, 0x80, 0x01, 5);
  const batch = decodeBatch(STORE, Uint8Array.of(...unknown, 0x3a, 3, 0x0a, 1, 9, ...unknown, 0x18, 4), codec);
  expect([batch.firstSequence, [...batch].map((entry) => entry.payload[0])]).toEqual([4, [9]]);
});

function encode(batch: {
  space: string;
  segment: string;
  firstSequence: number;
  firstOffset: number;
  commitTimeMicros: number;
  transactionId: string;
  transactionNumber: number;
  records: { payload: Uint8Array; metadata: Record<string, string> }[];
}): Uint8Array {
  const seconds = Math.floor(batch.commitTimeMicros / 1_000_000);
  return toBinary(
    EntryBatchSchema,
    create(EntryBatchSchema, {
      space: batch.space,
      segment: batch.segment,
      firstSequence: BigInt(batch.firstSequence),
      firstOffset: BigInt(batch.firstOffset),
      commitTime: { seconds: BigInt(seconds), nanos: (batch.commitTimeMicros - seconds * 1_000_000) * 1_000 },
      transaction: { id: batch.transactionId, number: BigInt(batch.transactionNumber) },
      records: batch.records,
    }),
  );
}
