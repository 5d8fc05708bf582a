import { describe, expect, it } from "vitest";
import { PageSize } from "./page-size.ts";

describe("page sizes", () => {
  it("begin small, because rows may be large, and then follow the size of the rows", () => {
    const sizes = new PageSize();
    expect(sizes.entitiesFor("a", 1_000_000)).toBe(16);
    sizes.observe("a", 10, 10_000);
    expect(sizes.entitiesFor("a", 1_000_000)).toBe(1_000);
    expect(sizes.entitiesFor("a", 10_000)).toBe(10);
    expect(sizes.entitiesFor("b", 10_000)).toBe(16);
  });

  it("shrink at once when rows grow, and grow slowly when rows shrink", () => {
    const sizes = new PageSize();
    sizes.observe("a", 1, 1_000);
    sizes.observe("a", 1, 100_000);
    expect(sizes.entitiesFor("a", 1_000_000)).toBe(10);
    sizes.observe("a", 1, 1_000);
    expect(sizes.entitiesFor("a", 1_000_000)).toBe(20);
  });

  it("are between one row and Azure's limit, even for empty rows", () => {
    const sizes = new PageSize();
    sizes.observe("a", 5, 0);
    sizes.observe("a", 0, 0);
    expect(sizes.entitiesFor("a", 1_000_000)).toBe(1_000);
    sizes.observe("a", 1, 1_000_000);
    expect(sizes.entitiesFor("a", 1)).toBe(1);
  });
});
