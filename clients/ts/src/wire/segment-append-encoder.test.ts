import { create, toBinary } from "@bufbuild/protobuf";
import { SegmentAppendSchema } from "@streamkit/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { recordSize, utf8Length } from "./record.ts";
import { SegmentAppendEncoder } from "./segment-append-encoder.ts";

const label = fc.string({ unit: "binary", maxLength: 40 }).filter((text) => text !== "__proto__");
const record = fc.record(
  {
    payload: fc.uint8Array({ maxLength: 300 }),
    metadata: fc.dictionary(label, label, { maxKeys: 3, noNullPrototype: true }),
  },
  { requiredKeys: ["payload"] },
);

test("writes the bytes of the generated code", () => {
  const append = fc.record({
    segment: fc.string({ unit: "binary", maxLength: 80 }),
    records: fc.array(record, { maxLength: 20 }),
    expectedLastSequence: fc.option(fc.bigInt(0n, 2n ** 64n - 1n), { nil: undefined }),
    fencingToken: fc.option(fc.bigInt(0n, 2n ** 64n - 1n), { nil: undefined }),
  });
  fc.assert(
    fc.property(append, ({ segment, records, ...conditions }) => {
      const encoder = new SegmentAppendEncoder(segment, conditions);
      for (const one of records) encoder.add(one);
      const init = { segment, records, ...defined(conditions) };
      expect(Buffer.from(encoder.finish())).toEqual(
        Buffer.from(toBinary(SegmentAppendSchema, create(SegmentAppendSchema, init))),
      );
      expect(encoder.records).toBe(records.length);
      expect(encoder.recordBytes).toBe(records.reduce((sum, one) => sum + recordSize(one), 0));
    }),
  );
});

test("grows over any number of large records", () => {
  const payload = new Uint8Array(70_000).fill(1);
  const encoder = new SegmentAppendEncoder("a");
  for (let i = 0; i < 5; i++) encoder.add({ payload, metadata: { i: String(i) } });
  const records = Array.from({ length: 5 }, (_, i) => ({ payload, metadata: { i: String(i) } }));
  const expected = toBinary(SegmentAppendSchema, create(SegmentAppendSchema, { segment: "a", records }));
  expect(Buffer.compare(encoder.finish(), expected)).toBe(0);
});

test("counts UTF-8 as encoders do, lone surrogates included", () => {
  const utf8 = new TextEncoder();
  const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
  fc.assert(fc.property(fc.string({ unit }), (text) => utf8Length(text) === utf8.encode(text).length));
});

function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
