import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyOfRowKey, partsOfRestRowKey, restRowKey, rowKeyOf } from "./row-key.ts";

const keys = fc.uint8Array({ minLength: 1, maxLength: 40 });
/** Few values, so that keys share beginnings. */
const similarKeys = fc.array(fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff), { minLength: 1, maxLength: 20 });

describe("row keys", () => {
  it("decode to their keys", () => {
    fc.assert(
      fc.property(keys, (key) => {
        expect([...keyOfRowKey(rowKeyOf(key))]).toEqual([...key]);
      }),
    );
  });

  it("have the order of their keys", () => {
    const pair = fc.oneof(fc.tuple(keys, keys), fc.tuple(similarKeys, similarKeys));
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const [left, right] = [Uint8Array.from(a), Uint8Array.from(b)];
        expect(compare(rowKeyOf(left), rowKeyOf(right))).toBe(Buffer.compare(left, right));
      }),
      { numRuns: 1_000 },
    );
  });

  it("are followed directly by their rests", () => {
    fc.assert(
      fc.property(similarKeys, similarKeys, fc.constantFrom("0", "f".repeat(16)), (a, b, generation) => {
        const [key, other] = [rowKeyOf(Uint8Array.from(a)), rowKeyOf(Uint8Array.from(b))];
        const rest = restRowKey(key, generation);
        expect(compare(rest, key)).toBe(1);
        expect(compare(rest, other)).toBe(compare(key, other) === 0 ? 1 : compare(key, other));
        expect(partsOfRestRowKey(rest)).toEqual({ rowKey: key, generation });
        expect(partsOfRestRowKey(key)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });

  it("fit into 512 units at the longest key of the port, even with a rest", () => {
    const rest = restRowKey(rowKeyOf(new Uint8Array(512).fill(0xff)), "f".repeat(16));
    expect(rest.length).toBe(347);
    expect(rowKeyOf(new Uint8Array(265)).length).toBe(171);
  });

  it("have no characters that Azure forbids", () => {
    fc.assert(
      fc.property(keys, (key) => {
        expect(restRowKey(rowKeyOf(key), "0a")).toMatch(/^[\u4e00-\u8dff]+-0a$/);
      }),
    );
  });

  it("match those in existing tables", () => {
    const golden: [number[], string][] = [
      [[0x00], "6e00"],
      [[0xff], "8de0"],
      [[0x68], "7b00"],
      [[0x00, 0x00], "6e10 4e00"],
      [[0x6f, 0, 0, 0, 0, 0, 0, 1, 0x2c], "7bf0 5001 4e20 5202 4e40 6760"],
    ];
    for (const [key, units] of golden) expect(hexUnits(rowKeyOf(Uint8Array.from(key)))).toBe(units);
  });

  it("refuses row keys that belong to no key", () => {
    for (const foreign of ["a", "\u4e00", "\u6e00\u4e00", "\u6e01", "\u8e00"]) {
      expect(() => keyOfRowKey(foreign)).toThrow("a row key that is not the key of any row");
    }
  });
});

/** Compares by UTF-16 unit, as Azure does. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function hexUnits(text: string): string {
  return [...text].map((unit) => unit.charCodeAt(0).toString(16)).join(" ");
}
