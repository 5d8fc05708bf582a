import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { name, position } from "../../../test/arbitraries.ts";
import {
  compareBytes,
  compareNames,
  HEAD_KEY,
  lastPositionOf,
  partitionSpace,
  RECLAIM_RANGE,
  reclaimKey,
  segmentBlockKey,
  segmentBlockRange,
  segmentHeadKey,
  segmentHeadRange,
  segmentOfHeadKey,
  segmentOfReclaimKey,
  spaceBlockKey,
  spaceBlockRange,
  spacePartition,
  TRANSACTION_RANGE,
  transactionKey,
} from "./key-space.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const inside = (key: Uint8Array, range: { gte: Uint8Array; lt: Uint8Array }) =>
  compareBytes(range.gte, key) <= 0 && compareBytes(key, range.lt) < 0;

describe("key space", () => {
  it("has the keys of earlier versions", () => {
    expect(spacePartition("orders")).toBe("s:orders");
    expect(hex(HEAD_KEY)).toBe("68");
    expect(hex(segmentHeadKey("ab\u00e9"))).toBe("736162c3a9");
    expect(hex(reclaimKey("ab"))).toBe("676162");
    expect(hex(segmentBlockKey("ab", 258))).toBe("626162000000000000000102");
    expect(hex(spaceBlockKey(2 ** 40 + 5))).toBe("6f0000010000000005");
    expect(hex(transactionKey("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"))).toBe("746f9619ff8b864d01b42d00cf4fc964ff");
    const marked = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff0123456789abcdef";
    expect(hex(transactionKey(marked))).toBe("746f9619ff8b864d01b42d00cf4fc964ff0123456789abcdef");
    expect([hex(RECLAIM_RANGE.gte), hex(RECLAIM_RANGE.lt)]).toEqual(["67", "68"]);
    expect([hex(TRANSACTION_RANGE.gte), hex(TRANSACTION_RANGE.lt)]).toEqual(["74", "75"]);
  });

  it("returns names unchanged, including those that begin with U+FEFF", () => {
    fc.assert(
      fc.property(name, (n) => {
        expect(segmentOfHeadKey(segmentHeadKey(n))).toBe(n);
        expect(segmentOfReclaimKey(reclaimKey(n))).toBe(n);
        expect(partitionSpace(spacePartition(n))).toBe(n);
      }),
    );
  });

  it("orders blocks by segment name, then by position", () => {
    fc.assert(
      fc.property(name, position, name, position, (a, p, b, q) => {
        const keys = compareBytes(segmentBlockKey(a, p), segmentBlockKey(b, q));
        expect(Math.sign(keys)).toBe(Math.sign(segmentOrder(a, b) || p - q));
        expect(Math.sign(compareBytes(spaceBlockKey(p), spaceBlockKey(q)))).toBe(Math.sign(p - q));
        expect(lastPositionOf(segmentBlockKey(a, p))).toBe(p);
        expect(lastPositionOf(spaceBlockKey(q))).toBe(q);
      }),
    );
  });

  it("keeps the blocks of a segment together, even if other names begin like its own", () => {
    fc.assert(
      fc.property(name, name, position, position, fc.nat(1_000), (a, b, p, from, more) => {
        const range = segmentBlockRange(a, from, from + more);
        if (a !== b) expect(inside(segmentBlockKey(b, p), range)).toBe(false);
        if (p >= from && p <= from + more) expect(inside(segmentBlockKey(a, p), range)).toBe(true);
        if (p < from) expect(inside(segmentBlockKey(a, p), range)).toBe(false);
      }),
    );
  });

  it("keeps the kinds of keys apart", () => {
    fc.assert(
      fc.property(name, position, fc.uuid(), (n, p, id) => {
        const others = [HEAD_KEY, segmentHeadKey(n), segmentBlockKey(n, p), reclaimKey(n), transactionKey(id)];
        for (const key of others) expect(inside(key, spaceBlockRange(0))).toBe(false);
        expect(inside(spaceBlockKey(p), spaceBlockRange(p))).toBe(true);
        expect(inside(transactionKey(id), TRANSACTION_RANGE)).toBe(true);
        expect(inside(reclaimKey(n), RECLAIM_RANGE)).toBe(true);
        expect(inside(reclaimKey(""), RECLAIM_RANGE)).toBe(true);
        expect(inside(HEAD_KEY, RECLAIM_RANGE)).toBe(false);
      }),
    );
  });

  it("finds exactly the heads with a prefix that come after a name", () => {
    fc.assert(
      fc.property(name, fc.oneof(name, fc.constant("")), fc.oneof(name, fc.constant("")), (n, prefix, after) => {
        const expected =
          bytes(n).subarray(0, bytes(prefix).length).equals(bytes(prefix)) &&
          (after === "" || compareNames(n, after) > 0);
        expect(inside(segmentHeadKey(n), segmentHeadRange(prefix, after))).toBe(expected);
      }),
    );
  });

  it("compares names by their UTF-8 bytes", () => {
    expect(compareNames("\uffff", "\u{10000}")).toBeLessThan(0);
    fc.assert(
      fc.property(name, name, (a, b) => Math.sign(compareNames(a, b)) === Math.sign(bytes(a).compare(bytes(b)))),
    );
  });
});

const bytes = (text: string) => Buffer.from(text);

/** Expected order of segments: U+0000 ends a name inside a key, and no name has a smaller byte. */
function segmentOrder(a: string, b: string): number {
  return bytes(`${a}\u0000`).compare(bytes(`${b}\u0000`));
}
