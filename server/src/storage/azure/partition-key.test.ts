import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterPartitionPrefix, BEFORE_PARTITIONS, partitionKeyOf, partitionOfKey } from "./partition-key.ts";

const names = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  fc
    .array(fc.constantFrom("a", " ", "!", "~", "\u007f", "é", "Ａ", "😀"), { minLength: 1 })
    .map((parts) => parts.join("")),
);

describe("partition keys", () => {
  it("decode to their names", () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(partitionOfKey(partitionKeyOf(name))).toBe(name);
      }),
    );
  });

  it("have the byte order of their names, after the keys of other entities", () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        const [left, right] = [partitionKeyOf(a), partitionKeyOf(b)];
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(left > BEFORE_PARTITIONS).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("of names with a prefix end before the successor of the prefix", () => {
    fc.assert(
      fc.property(names, names, (prefix, name) => {
        const key = partitionKeyOf(name);
        const within = key >= partitionKeyOf(prefix) && key < afterPartitionPrefix(prefix)!;
        expect(within).toBe(Buffer.from(name).indexOf(Buffer.from(prefix)) === 0);
      }),
    );
    expect(afterPartitionPrefix("")).toBeUndefined();
  });

  it("read like their names, and have no characters that Azure forbids", () => {
    expect(partitionKeyOf("s:orders/2024#1")).toBe("ｓ：ｏｒｄｅｒｓ／２０２４＃１");
    expect(partitionKeyOf("\u0001 \u007f")).toBe("\u0101\u0120\uff5f");
    fc.assert(
      fc.property(names, (name) => {
        expect(partitionKeyOf(name)).toMatch(/^[\u0100-\u0120\uff01-\uffdf]*$/);
      }),
    );
    expect(partitionKeyOf("/".repeat(300)).length).toBe(300);
  });

  it("refuses keys that belong to no name", () => {
    for (const foreign of ["a", "\u0121", "\uffe0", "\uff5f\uffdf"]) {
      expect(() => partitionOfKey(foreign)).toThrow("a partition key that is not the key of any name");
    }
  });
});
