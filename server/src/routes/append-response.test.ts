import { create, toBinary } from "@bufbuild/protobuf";
import { AppendResponseSchema } from "@streamkit/protocol";
import fc from "fast-check";
import { expect, it } from "vitest";
import { encodeAppendResponse } from "./append-response.ts";

const position = fc.oneof(fc.constantFrom(0n, 1n, 127n, 128n), fc.bigInt(0n, BigInt(Number.MAX_SAFE_INTEGER)));
const text = fc.string({ unit: "grapheme", maxLength: 200 });
const range = fc.record({ segment: text, firstSequence: position, lastSequence: position, firstOffset: position });
const responses = fc.record(
  {
    transaction: fc.record({ id: text, number: position }),
    commitTime: fc.record({ seconds: fc.bigInt(-5n, 253_402_300_799n), nanos: fc.nat(999_999_999) }),
    ranges: fc.array(range, { maxLength: 4 }),
    deduplicated: fc.boolean(),
  },
  { requiredKeys: [] },
);

it("encodes answers of appends as the generated code does", () => {
  fc.assert(
    fc.property(responses, (fields) => {
      const message = create(AppendResponseSchema, fields);
      expect(Buffer.from(encodeAppendResponse(message))).toEqual(Buffer.from(toBinary(AppendResponseSchema, message)));
    }),
  );
});
