import { ErrorReason } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { name } from "../../test/arbitraries.ts";
import { checkName, checkPrefix, checkUuid } from "./names.ts";

const refused = (field: string) =>
  expect.objectContaining({
    reason: ErrorReason.INVALID_FIELD,
    facts: expect.objectContaining({ fieldViolations: [expect.objectContaining({ field })] }),
  });

describe("names", () => {
  it("accepts all names that limits.proto allows, unchanged", () => {
    fc.assert(fc.property(name, (n) => checkName(n, "space") === n));
    for (const odd of ["..", "/", "\\", "%00", "*", "a\u00a0b", "\ufeff", "e\u0301", " "]) {
      expect(checkName(odd, "space")).toBe(odd);
    }
  });

  it("counts bytes of UTF-8: 255 work, 256 do not, of any width", () => {
    for (const [unit, bytes] of [
      ["a", 1],
      ["\u00e9", 2],
      ["\u0800", 3],
      ["\u{10000}", 4],
    ] as const) {
      const most = unit.repeat(Math.floor(255 / bytes)) + "a".repeat(255 % bytes);
      expect(checkName(most, "space")).toBe(most);
      expect(() => checkName(`${most}a`, "space")).toThrow(refused("space"));
    }
  });

  it("refuses the empty name, every control character and lone surrogates", () => {
    expect(() => checkName("", "segment")).toThrow(refused("segment"));
    for (let code = 0; code <= 0xa0; code++) {
      const control = code <= 0x1f || (code >= 0x7f && code <= 0x9f);
      const attempt = () => checkName(`a${String.fromCharCode(code)}b`, "segment");
      if (control) expect(attempt).toThrow(refused("segment"));
      else expect(attempt()).toHaveLength(3);
    }
    expect(() => checkName("a\ud800", "segment")).toThrow(refused("segment"));
  });

  it("allows an empty prefix only", () => {
    expect(checkPrefix("", "prefix")).toBe("");
    expect(() => checkPrefix("\u0001", "prefix")).toThrow(refused("prefix"));
  });
});

describe("UUIDs", () => {
  it("are accepted in either case and returned in lower case", () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(checkUuid(id, "store_id")).toBe(id);
        expect(checkUuid(id.toUpperCase(), "store_id")).toBe(id);
      }),
    );
  });

  it("are refused in every other form", () => {
    const id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    const others = [
      "",
      "x",
      `{${id}}`,
      id.replaceAll("-", ""),
      `${id}0`,
      ` ${id}`,
      `${id}\n`,
      `../${id}`,
      id.replace("6", "g"),
    ];
    for (const other of others) expect(() => checkUuid(other, "store_id")).toThrow(refused("store_id"));
  });
});
