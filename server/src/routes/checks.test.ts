import { ErrorReason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { invalidField, MAX_VIOLATIONS, ServerError } from "../errors.ts";
import { checkAll, checkEach } from "./checks.ts";

const bad = (field: string) => () => {
  throw invalidField(field, `${field} is wrong`);
};
const tooLarge = () => {
  throw new ServerError(ErrorReason.RECORD_TOO_LARGE, "too large");
};

function failure(action: () => unknown) {
  try {
    action();
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    return {
      reason: error.reason,
      message: error.message,
      fields: error.facts.fieldViolations?.map(({ field }) => field),
    };
  }
  return undefined;
}

describe("checkAll", () => {
  it("returns what the checks return", () => {
    expect(checkAll({ a: () => 1, b: () => "x" })).toEqual({ a: 1, b: "x" });
    expect(checkEach(["a", "b"], (item, index) => item + index)).toEqual(["a0", "b1"]);
  });

  it("names every invalid field, in order, including those of nested checks", () => {
    const nested = () => checkAll({ c: bad("c"), d: bad("d") });
    expect(failure(() => checkAll({ a: bad("a"), b: () => 1, nested, e: bad("e") }))).toEqual({
      reason: ErrorReason.INVALID_FIELD,
      message: "4 fields are invalid: a: a is wrong; c: c is wrong; d: d is wrong; e: e is wrong",
      fields: ["a", "c", "d", "e"],
    });
    expect(failure(() => checkAll({ a: bad("a") }))?.message).toBe("a: a is wrong");
  });

  it("names at most a fixed number of fields", () => {
    const found = failure(() => checkEach(Array.from({ length: 100 }), (_, index) => bad(`f${index}`)()));
    expect(found?.fields).toHaveLength(MAX_VIOLATIONS);
    expect(found?.message).toContain("100 fields are invalid");
  });

  it("prefers invalid fields to other errors, and otherwise throws those", () => {
    expect(failure(() => checkAll({ a: tooLarge, b: bad("b") }))?.reason).toBe(ErrorReason.INVALID_FIELD);
    expect(failure(() => checkAll({ a: tooLarge, b: () => 1 }))?.reason).toBe(ErrorReason.RECORD_TOO_LARGE);
  });
});
