import { expect, test } from "vitest";
import { slab } from "./slab.ts";

test("parts are neighbours, of the asked size, and never the same bytes", () => {
  const take = slab();
  const parts = Array.from({ length: 2_000 }, (_, i) => take(i % 100));
  parts.forEach((part, i) => {
    expect(part.length).toBe(i % 100);
    expect(part.every((byte) => byte === 0)).toBe(true);
    part.fill(i);
  });
  parts.forEach((part, i) => {
    expect(part.every((byte) => byte === (i & 0xff))).toBe(true);
  });
  expect(parts[2].byteOffset).toBe(parts[1].byteOffset + parts[1].length);
  expect(new Set(parts.filter(({ length }) => length > 0).map(({ buffer }) => buffer)).size).toBe(2);
});

test("a large buffer is separate", () => {
  const take = slab();
  expect([take(4_097).buffer.byteLength, take(4_096).buffer.byteLength]).toEqual([4_097, 65_536]);
});
