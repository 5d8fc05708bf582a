import { describe, expect, it } from "vitest";
import { assertTablePrefix, storeIdOf, tableNameOf } from "./table-name.ts";

const storeId = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";

describe("table names", () => {
  it("decode to their stores, in any case that Azure shows", () => {
    const name = tableNameOf("streamkit", storeId);
    expect(name).toBe("streamkit0a1b2c3d4e5f4a6b8c7d9e0f1a2b3c4d");
    expect(storeIdOf("streamkit", name)).toBe(storeId);
    expect(storeIdOf("streamkit", name.toUpperCase().replace("STREAMKIT", "streamkit"))).toBe(storeId);
  });

  it("do not collide with those of another deployment", () => {
    expect(storeIdOf("stream", tableNameOf("streama", storeId))).toBeUndefined();
    expect(storeIdOf("streama", tableNameOf("stream", storeId))).toBeUndefined();
    expect(storeIdOf("streamkit", "streamkitmetrics")).toBeUndefined();
  });

  it("are valid with the longest prefix, and refused with an invalid one", () => {
    assertTablePrefix("a".repeat(31));
    expect(tableNameOf("a".repeat(31), storeId)).toMatch(/^[a-z][a-z0-9]{2,62}$/);
    for (const prefix of ["", "1a", "A", "a-b", "a".repeat(32), "a'"]) {
      expect(() => assertTablePrefix(prefix)).toThrow(TypeError);
    }
  });
});
