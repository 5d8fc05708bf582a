import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EntryBatchSchema, ErrorReason, LIMITS, RecordSchema, SegmentAppendSchema } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { name, type PlainRecord, record } from "../../../test/arbitraries.ts";
import { checkTransaction } from "./apply-append.ts";
import { parseSegmentAppend } from "./segment-append.ts";

const PATH = "appends[3]";
const failing = (reason: ErrorReason) => expect.objectContaining({ reason });
const invalid = failing(ErrorReason.INVALID_FIELD);

/** One encoded field: a length-delimited value. */
function field(number: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

/** Size of a record as the limits count it. */
function sizeOf({ payload, metadata }: PlainRecord): number {
  let size = payload.length;
  for (const [key, value] of Object.entries(metadata)) size += Buffer.byteLength(key) + Buffer.byteLength(value);
  return size;
}

/** Decodes the records as a reader of the stored batch does. */
function stored(bytes: Uint8Array): PlainRecord[] {
  const { records } = fromBinary(EntryBatchSchema, bytes);
  return records.map(({ payload, metadata }) => ({ payload: new Uint8Array(payload), metadata: { ...metadata } }));
}

const plain = (r: PlainRecord) => ({ payload: new Uint8Array(r.payload), metadata: { ...r.metadata } });

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe("a SegmentAppend from generated code", () => {
  it("is read with all its fields, and its records stay unchanged", () => {
    const message = fc.record({
      segment: name,
      expectedLastSequence: fc.option(uint64, { nil: undefined }),
      fencingToken: fc.option(uint64, { nil: undefined }),
      records: fc.array(record, { minLength: 1, maxLength: 6 }),
    });
    fc.assert(
      fc.property(message, (m) => {
        const append = parseSegmentAppend(toBinary(SegmentAppendSchema, create(SegmentAppendSchema, m)), PATH);
        expect(append).toMatchObject({
          segment: m.segment,
          expectedLastSequence: m.expectedLastSequence,
          fencingToken: m.fencingToken,
          count: m.records.length,
          size: m.records.reduce((sum, r) => sum + sizeOf(r), 0),
        });
        const records = toBinary(EntryBatchSchema, create(EntryBatchSchema, { records: m.records }));
        expect(Buffer.from(append.records).equals(records)).toBe(true);
      }),
    );
  });

  it("may be only a condition, but not empty", () => {
    const encode = (m: object) => toBinary(SegmentAppendSchema, create(SegmentAppendSchema, { segment: "s", ...m }));
    expect(parseSegmentAppend(encode({ expectedLastSequence: 0n }), PATH)).toMatchObject({ count: 0, size: 0 });
    expect(parseSegmentAppend(encode({ fencingToken: 1n }), PATH)).toMatchObject({ count: 0, fencingToken: 1n });
    expect(() => parseSegmentAppend(encode({}), PATH)).toThrow(invalid);
  });
});

describe("a SegmentAppend in another valid encoding", () => {
  it("means the same with its fields in any order, interleaved, repeated, and with unknown ones", () => {
    const noise = fc.constantFrom(
      field(9, "unknown"),
      Buffer.concat([varint(15 * 8), varint(77)]),
      Buffer.concat([varint(200 * 8 + 1), Buffer.alloc(8)]),
      Buffer.concat([varint(200 * 8 + 5), Buffer.alloc(4)]),
    );
    const shuffled = fc
      .record({
        segment: name,
        expected: uint64,
        records: fc.array(record, { minLength: 1, maxLength: 5 }),
        noise: fc.array(noise),
      })
      .chain((m) => {
        const others = [field(1, m.segment), Buffer.concat([varint(2 * 8), varint(m.expected)]), ...m.noise];
        const records = m.records.map((r) => field(7, toBinary(RecordSchema, create(RecordSchema, r))));
        const slots = fc.array(fc.nat(others.length), { minLength: records.length, maxLength: records.length });
        return slots.map((at) => {
          const order = [...at].sort((a, b) => a - b);
          const parts: Buffer[] = [];
          for (let i = 0, next = 0; i <= others.length; i++) {
            while (next < records.length && order[next] === i) parts.push(records[next++]);
            if (i < others.length) parts.push(others[i]);
          }
          return { ...m, bytes: Buffer.concat(parts) };
        });
      });
    fc.assert(
      fc.property(shuffled, (m) => {
        const append = parseSegmentAppend(m.bytes, PATH);
        expect(append.segment).toBe(m.segment);
        expect(append.expectedLastSequence).toBe(m.expected);
        expect(append.count).toBe(m.records.length);
        expect(stored(append.records)).toEqual(m.records.map(plain));
      }),
    );
  });

  it("takes the last of a repeated field, as protobuf does", () => {
    const bytes = Buffer.concat([
      field(1, "first"),
      varint(16),
      varint(1),
      field(1, "last"),
      varint(16),
      varint(2),
      field(7, ""),
    ]);
    expect(parseSegmentAppend(bytes, PATH)).toMatchObject({ segment: "last", expectedLastSequence: 2n, count: 1 });
  });

  it("stores the meaning of a record in any valid encoding", () => {
    const entry = (key: string, value: string) => field(2, Buffer.concat([field(1, key), field(2, value)]));
    const cases: [string, Buffer, PlainRecord][] = [
      [
        "payload twice",
        Buffer.concat([field(1, "no"), field(1, "yes")]),
        { payload: Buffer.from("yes"), metadata: {} },
      ],
      ["key twice", Buffer.concat([entry("k", "a"), entry("k", "b")]), { payload: Buffer.of(), metadata: { k: "b" } }],
      [
        "value before key",
        field(2, Buffer.concat([field(2, "v"), field(1, "k")])),
        { payload: Buffer.of(), metadata: { k: "v" } },
      ],
      ["entry without value", field(2, field(1, "k")), { payload: Buffer.of(), metadata: { k: "" } }],
      ["entry without key", field(2, field(2, "v")), { payload: Buffer.of(), metadata: { "": "v" } }],
      ["empty entry", field(2, ""), { payload: Buffer.of(), metadata: { "": "" } }],
      ["unknown field", Buffer.concat([field(9, "x"), field(1, "p")]), { payload: Buffer.from("p"), metadata: {} }],
      [
        "unknown in entry",
        field(2, Buffer.concat([field(1, "k"), field(2, "v"), field(3, "x")])),
        { payload: Buffer.of(), metadata: { k: "v" } },
      ],
      [
        "metadata first",
        Buffer.concat([entry("k", "v"), field(1, "p")]),
        { payload: Buffer.from("p"), metadata: { k: "v" } },
      ],
    ];
    for (const [what, body, meaning] of cases) {
      const around = toBinary(RecordSchema, create(RecordSchema, { payload: Buffer.from("other") }));
      const append = parseSegmentAppend(
        Buffer.concat([field(1, "s"), field(7, around), field(7, body), field(7, around)]),
        PATH,
      );
      const other = { payload: new Uint8Array(Buffer.from("other")), metadata: {} };
      expect(stored(append.records), what).toEqual([other, plain(meaning), other]);
      expect(append.size, what).toBe(sizeOf(meaning) + 10);
    }
  });
});

describe("a malformed SegmentAppend", () => {
  it("is INVALID_FIELD if it is cut or changed at any byte, never a crash", () => {
    const message = fc.record({ segment: name, records: fc.array(record, { minLength: 1, maxLength: 3 }) });
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), (m, at, byte) => {
        const bytes = toBinary(SegmentAppendSchema, create(SegmentAppendSchema, m)).slice();
        const cut = bytes.slice(0, at % bytes.length);
        bytes[at % bytes.length] = byte;
        for (const damaged of [bytes, cut]) onlyRefused(damaged);
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), onlyRefused), { numRuns: 500 });
  });

  /** Generated code must be able to read every accepted message; every other message is INVALID_FIELD. */
  function onlyRefused(bytes: Uint8Array): void {
    let append: ReturnType<typeof parseSegmentAppend>;
    try {
      append = parseSegmentAppend(bytes, PATH);
    } catch (error) {
      expect(error).toMatchObject({ reason: ErrorReason.INVALID_FIELD });
      return;
    }
    expect(stored(append.records)).toHaveLength(append.count);
    expect(append.size).toBe(stored(append.records).reduce((sum, r) => sum + sizeOf(r), 0));
  }

  it("names the field that is not UTF-8", () => {
    const bad = Buffer.of(0xc3, 0x28);
    expect(() => parseSegmentAppend(Buffer.concat([field(1, bad), field(7, "")]), PATH)).toThrow(
      /appends\[3\].segment/,
    );
    const entry = field(2, Buffer.concat([field(1, bad), field(2, "v")]));
    const bytes = Buffer.concat([field(1, "s"), field(7, ""), field(7, entry)]);
    expect(() => parseSegmentAppend(bytes, PATH)).toThrow(invalid);
    expect(() => parseSegmentAppend(bytes, PATH)).toThrow(/appends\[3\].records\[1\]/);
  });

  it("refuses a length beyond the end, without reserving it", () => {
    const bytes = Buffer.concat([field(1, "s"), varint(58), varint(2n ** 62n)]);
    expect(() => parseSegmentAppend(bytes, PATH)).toThrow(invalid);
  });
});

describe("limits", () => {
  const append = (...records: PlainRecord[]) =>
    parseSegmentAppend(toBinary(SegmentAppendSchema, create(SegmentAppendSchema, { segment: "s", records })), PATH);
  const sized = (payload: number, metadata = {}) => ({ payload: new Uint8Array(payload), metadata });

  it("a record of 1 MiB works, payload and metadata together; one byte more does not", () => {
    expect(append(sized(LIMITS.maxRecordBytes)).size).toBe(LIMITS.maxRecordBytes);
    expect(append(sized(LIMITS.maxRecordBytes - 3, { k: "\u00e9" })).size).toBe(LIMITS.maxRecordBytes);
    for (const large of [sized(LIMITS.maxRecordBytes + 1), sized(LIMITS.maxRecordBytes - 2, { k: "\u00e9" })]) {
      expect(() => append(large)).toThrow(failing(ErrorReason.RECORD_TOO_LARGE));
    }
  });

  it("unknown fields do not count, and do not circumvent the limit", () => {
    const body = Buffer.concat([field(1, new Uint8Array(LIMITS.maxRecordBytes + 1)), field(9, "x")]);
    const bytes = Buffer.concat([field(1, "s"), field(7, body)]);
    expect(() => parseSegmentAppend(bytes, PATH)).toThrow(failing(ErrorReason.RECORD_TOO_LARGE));
  });

  it("a transaction holds 1,000 records, 1 MiB and 32 segments; one more of any does not", () => {
    const of = (count: number, size: number, segment: string) => ({ ...append(sized(0)), count, size, segment });
    const segments = (count: number) => Array.from({ length: count }, (_, i) => of(1, 1, `s${i}`));
    const tooLarge = failing(ErrorReason.TRANSACTION_TOO_LARGE);
    checkTransaction([of(999, 1, "a"), of(1, 1, "b")]);
    expect(() => checkTransaction([of(1000, 1, "a"), of(1, 1, "b")])).toThrow(tooLarge);
    checkTransaction([of(1, LIMITS.maxTransactionBytes - 1, "a"), of(1, 1, "b")]);
    expect(() => checkTransaction([of(1, LIMITS.maxTransactionBytes, "a"), of(1, 1, "b")])).toThrow(tooLarge);
    checkTransaction(segments(32));
    expect(() => checkTransaction(segments(33))).toThrow(tooLarge);
  });

  it("a transaction has segments, records, and no segment twice", () => {
    const condition = { ...append(sized(0)), count: 0, expectedLastSequence: 1n };
    expect(() => checkTransaction([])).toThrow(invalid);
    expect(() => checkTransaction([condition])).toThrow(invalid);
    expect(() => checkTransaction([append(sized(0)), condition])).toThrow(/occurs twice/);
    checkTransaction([{ ...append(sized(0)), segment: "other" }, condition]);
  });
});
