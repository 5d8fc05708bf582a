import assert from "node:assert/strict";
import type { PartitionStore } from "../port.ts";
import { batch, bytes, commit, scanAll, text } from "./rows.ts";
import type { ContractTests } from "./suite.ts";

export function describeRanges({ describe, it }: ContractTests): void {
  describe("ranges", () => {
    it("includes the lower bound and excludes the upper one", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "", b: "", ba: "", c: "" } }));
      assert.deepEqual(await keysIn(store, "b", "c"), ["b", "ba"]);
      assert.deepEqual(await keysIn(store, "b", "ba"), ["b"]);
      assert.deepEqual(await keysIn(store, "aa", "bb"), ["b", "ba"]);
      assert.deepEqual(await keysIn(store, "d", "e"), []);
      assert.deepEqual(await keysIn(store, "b", "b"), []);
    });

    it("finds nothing in a partition that was never written", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "" } }));
      assert.deepEqual(await scanAll(store, "other"), []);
      assert.equal(await store.get("other", bytes("a")), undefined);
    });

    it("returns at most `limit` rows, the first ones", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "", b: "", c: "", d: "" } }));
      assert.deepEqual(await keysIn(store, "a", "z", { limit: 1 }), ["a"]);
      assert.deepEqual(await keysIn(store, "b", "z", { limit: 2 }), ["b", "c"]);
      assert.deepEqual(await keysIn(store, "a", "z", { limit: 4 }), ["a", "b", "c", "d"]);
      assert.deepEqual(await keysIn(store, "a", "z", { limit: 5 }), ["a", "b", "c", "d"]);
    });

    it("returns all rows with any page size, in pages of about that size", async ({ store }) => {
      const value = new Uint8Array(1_000).fill(0x76);
      const names = Array.from({ length: 60 }, (_, index) => `k${String(index).padStart(3, "0")}`);
      for (let from = 0; from < names.length; from += 20) {
        const puts = names.slice(from, from + 20).map((name) => ({ key: bytes(name), value: [value] }));
        await commit(store, "p", { conditions: [], puts, deletes: [] });
      }
      for (const pageBytes of [1, 1_500, 10_000, 1_000_000]) {
        assert.deepEqual(await keysIn(store, "k", "l", { pageBytes }), names);
        for await (const page of store.scan("p", { gte: bytes("k"), lt: bytes("l"), pageBytes })) {
          // "About": a backend may round, and its pages may be smaller, but not much larger.
          assert.ok(page.length * 1_000 <= pageBytes + 3_000, `${page.length} rows in a page of ${pageBytes} bytes`);
        }
      }
    });

    it("ends early when the reader stops, and the store keeps working", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "1", b: "2", c: "3" } }));
      for (let round = 0; round < 20; round++) {
        for await (const page of store.scan("p", { gte: bytes("a"), lt: bytes("z"), pageBytes: 1 })) {
          assert.equal(text(page[0].key), "a");
          break;
        }
      }
      assert.deepEqual(await keysIn(store, "a", "z"), ["a", "b", "c"]);
    });

    it("sees every commit from before the start of the scan", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "1" } }));
      await commit(store, "p", batch({ put: { a: "2", b: "1" } }));
      assert.deepEqual(
        (await scanAll(store, "p")).map((row) => text(row.key) + text(row.value)),
        ["a2", "b1"],
      );
    });

    it("keeps reading while rows are written in the range", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "1", b: "1", c: "1" } }));
      const seen: string[] = [];
      for await (const page of store.scan("p", { gte: bytes("a"), lt: bytes("z"), pageBytes: 1 })) {
        for (const row of page) seen.push(text(row.key));
        await commit(store, "p", batch({ put: { b: "2", c: "2" } }));
      }
      assert.deepEqual(seen, ["a", "b", "c"]);
    });
  });
}

async function keysIn(
  store: PartitionStore,
  gte: string,
  lt: string,
  options: { limit?: number; pageBytes?: number } = {},
): Promise<string[]> {
  const rows = await scanAll(store, "p", { gte: bytes(gte), lt: bytes(lt), ...options });
  return rows.map((row) => text(row.key));
}
