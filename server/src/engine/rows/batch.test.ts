import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EntryBatchSchema, ErrorReason } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { micros, name, position, record } from "../../../test/arbitraries.ts";
import { EncodedBatch, parseBatch } from "./batch.ts";
import { markedId, partsOf } from "./transaction-id.ts";

const model = fc.record({
  space: name,
  segment: name,
  firstSequence: position,
  firstOffset: position,
  commitTimeMicros: micros,
  id: fc.uuid(),
  subject: fc.option(fc.string(), { nil: undefined }),
  number: position,
  records: fc.array(record, { minLength: 1, maxLength: 5 }),
});
type Model = typeof model extends fc.Arbitrary<infer T> ? T : never;

const idOf = ({ id, subject }: Model) => (subject === undefined ? id : markedId(id, subject));

/** The message as the generated code encodes it: the other side of every comparison. */
function generated(m: Model): Uint8Array<ArrayBuffer> {
  const message = create(EntryBatchSchema, {
    space: m.space,
    segment: m.segment,
    firstSequence: BigInt(m.firstSequence),
    firstOffset: BigInt(m.firstOffset),
    commitTime: { seconds: BigInt(Math.floor(m.commitTimeMicros / 1e6)), nanos: (m.commitTimeMicros % 1e6) * 1000 },
    transaction: { id: m.id, number: BigInt(m.number), writer: partsOf(idOf(m)).writer ?? new Uint8Array() },
    records: m.records.map((r) => ({ payload: r.payload, metadata: r.metadata })),
  });
  return toBinary(EntryBatchSchema, message);
}

/** The records part of an encoded batch, as a writer sends it. */
function encodedRecords(m: Model): Uint8Array {
  return toBinary(EntryBatchSchema, create(EntryBatchSchema, { records: m.records }));
}

function handmade(m: Model): EncodedBatch {
  const header = {
    segment: m.segment,
    firstSequence: m.firstSequence,
    firstOffset: m.firstOffset,
    count: m.records.length,
    commitTimeMicros: m.commitTimeMicros,
    transactionId: idOf(m),
    transactionNumber: m.number,
  };
  return new EncodedBatch(m.space, header, encodedRecords(m));
}

describe("EncodedBatch", () => {
  it("has the bytes of the generated EntryBatch", () => {
    fc.assert(
      fc.property(model, (m) => {
        const batch = handmade(m);
        const expected = generated(m);
        expect(Buffer.from(batch.bytes).equals(expected)).toBe(true);
        expect(batch.byteLength).toBe(expected.length);
        expect(Buffer.concat(batch.pieces).equals(expected)).toBe(true);
      }),
    );
  });

  it("is read back from the generated EntryBatch with every field", () => {
    fc.assert(
      fc.property(model, (m) => {
        const batch = parseBatch(generated(m));
        expect({ ...batch }).toEqual({ ...handmade(m) });
        expect(batch.bytes).toEqual(generated(m));
        expect(batch.lastSequence).toBe(m.firstSequence + m.records.length - 1);
        expect(batch.lastOffset).toBe(m.firstOffset + m.records.length - 1);
      }),
    );
  });

  it("slices equal the parts of the generated code, including a slice of a slice", () => {
    fc.assert(
      fc.property(model, fc.nat(4), fc.nat(4), (m, a, b) => {
        const from = Math.min(a, m.records.length - 1);
        const to = Math.min(from + 1 + b, m.records.length);
        const part = { ...m, firstSequence: m.firstSequence + from, firstOffset: m.firstOffset + from };
        const expected = generated({ ...part, records: m.records.slice(from, to) });
        expect(Buffer.from(handmade(m).slice(from, to).bytes).equals(expected)).toBe(true);
        const twice = parseBatch(generated(m)).slice(0, to).slice(from, to);
        expect(Buffer.from(twice.bytes).equals(expected)).toBe(true);
        expect(twice.count).toBe(to - from);
      }),
    );
  });

  it("has no part without records", () => {
    fc.assert(
      fc.property(model, fc.integer({ min: -5, max: 8 }), fc.integer({ min: -5, max: 8 }), (m, from, to) => {
        const batch = handmade(m);
        const isPart = from >= 0 && from < to && (to <= batch.count || from === 0);
        if (isPart) expect(batch.slice(from, to).count).toBe(Math.min(to, batch.count) - from);
        else expect(() => batch.slice(from, to)).toThrow(RangeError);
      }),
    );
  });

  it("fails with DATA_LOSS for all bytes that are not a batch", () => {
    fc.assert(
      fc.property(model, fc.nat(), fc.nat(255), (m, at, byte) => {
        const bytes = generated(m).slice();
        bytes[at % bytes.length] = byte;
        for (const damaged of [bytes, bytes.subarray(0, at % bytes.length)]) {
          try {
            parseBatch(damaged);
          } catch (error) {
            expect(error).toMatchObject({ reason: ErrorReason.DATA_LOSS });
          }
        }
      }),
    );
  });

  it("keeps the encoding of unknown fields of records", () => {
    // Field 15 of a record: from a future version. It must survive storage.
    const records = Uint8Array.of(0x3a, 2, 0x78, 1);
    const header = { ...handmade({ ...fc.sample(model, 1)[0] }), count: 1 };
    const batch = new EncodedBatch("s", header, records);
    expect(fromBinary(EntryBatchSchema, batch.bytes).records[0].$unknown).toHaveLength(1);
  });
});
