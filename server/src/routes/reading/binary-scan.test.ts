import { ConnectError } from "@connectrpc/connect";
import {
  AppendRequestSchema,
  CommitCursorRequestSchema,
  ConsumeRequestSchema,
  ErrorDetailSchema,
  ErrorReason,
  LIMITS,
  ProduceRequestSchema,
} from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { scanBinary } from "./binary-scan.ts";
import { MAX_BINARY_FIELDS } from "./element-limits.ts";

function scan(bytes: Uint8Array, message: Parameters<typeof scanBinary>[0] = AppendRequestSchema) {
  try {
    scanBinary(message, bytes);
    return undefined;
  } catch (error) {
    const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
    return { reason: ErrorReason[detail.reason], field: detail.fieldViolations[0].field };
  }
}

/** Returns `count` empty fields with this number. */
const empty = (field: number, count: number) =>
  Buffer.from(Array.from({ length: count }, () => [(field << 3) | 2, 0]).flat());

describe("scanBinary", () => {
  it("counts elements, at the limit and one over", () => {
    const { maxTransactionSegments: segments, maxConsumeSpaces: spaces } = LIMITS;
    for (const message of [AppendRequestSchema, ProduceRequestSchema]) {
      expect(scan(empty(3, segments), message)).toBeUndefined();
      expect(scan(empty(3, segments + 1), message)).toEqual({ reason: "TRANSACTION_TOO_LARGE", field: "appends" });
    }
    expect(scan(empty(2, spaces), ConsumeRequestSchema)).toBeUndefined();
    expect(scan(empty(2, spaces + 1), ConsumeRequestSchema)).toEqual({ reason: "INVALID_FIELD", field: "spaces" });
    const [offsets] = [CommitCursorRequestSchema.field.offsets.number];
    expect(scan(empty(offsets, spaces), CommitCursorRequestSchema)).toBeUndefined();
    expect(scan(empty(offsets, spaces + 1), CommitCursorRequestSchema)).toEqual({
      reason: "INVALID_FIELD",
      field: "offsets",
    });
  });

  it("bounds the number of unknown fields, however small", () => {
    expect(scan(empty(15, MAX_BINARY_FIELDS))).toBeUndefined();
    expect(scan(empty(15, MAX_BINARY_FIELDS + 1))).toEqual({ reason: "INVALID_FIELD", field: "" });
  });

  it.each([
    ["a varint that does not end", [0x08, 0xff]],
    ["a length beyond the end", [0x0a, 5, 1]],
    ["field 0", [0x00, 1]],
    ["a wire type that is none", [0x0f]],
    ["a tag over 32 bits", [0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
  ])("refuses %s", (_, bytes) => expect(scan(Buffer.from(bytes))).toEqual({ reason: "INVALID_FIELD", field: "" }));
});
