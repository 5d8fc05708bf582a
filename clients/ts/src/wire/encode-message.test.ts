import { create, toBinary } from "@bufbuild/protobuf";
import { OpaqueAppendRequestSchema } from "@streamkit/protocol/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeMessage } from "./encode-message.ts";

const text = fc.string({ unit: "binary", maxLength: 80 });

test("writes an append as the generated code does", () => {
  const fields = fc.record({
    storeId: text,
    space: text,
    appends: fc.array(fc.uint8Array({ maxLength: 6_000 }), { maxLength: 5 }),
    transactionId: text,
  });
  fc.assert(
    fc.property(fields, (init) => {
      const message = create(OpaqueAppendRequestSchema, init as never);
      const expected = Buffer.from(toBinary(OpaqueAppendRequestSchema, message));
      expect(Buffer.from(encodeMessage(OpaqueAppendRequestSchema, init as never))).toEqual(expected);
      expect(Buffer.from(encodeMessage(OpaqueAppendRequestSchema, message))).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test("keeps unknown fields, and fills in fields that are absent", () => {
  const message = create(OpaqueAppendRequestSchema, { storeId: "a", appends: [Uint8Array.of(1)] });
  message.$unknown = [{ no: 9, wireType: 0, data: Uint8Array.of(5) }];
  expect([...encodeMessage(OpaqueAppendRequestSchema, message)]).toEqual([10, 1, 97, 26, 1, 1, 72, 5]);
  expect([...encodeMessage(OpaqueAppendRequestSchema, { space: "b" })]).toEqual([18, 1, 98]);
});
