import assert from "node:assert/strict";
import { batch, bytes, commit, contents, read, scanAll, text } from "./rows.ts";
import type { ContractTests } from "./suite.ts";

export function describeValues({ describe, it }: ContractTests): void {
  describe("values", () => {
    it("joins the pieces of a value in order", async ({ store }) => {
      const value = [bytes("one "), bytes(""), bytes("two "), bytes("three")];
      await commit(store, "p", { conditions: [], puts: [{ key: bytes("k"), value }], deletes: [] });
      assert.equal(text((await read(store, "p", "k")).value), "one two three");
    });

    it("stores empty values, and distinguishes them from missing rows", async ({ store }) => {
      const puts = [
        { key: bytes("none"), value: [] },
        { key: bytes("empty"), value: [bytes("")] },
      ];
      await commit(store, "p", { conditions: [], puts, deletes: [] });
      assert.equal((await read(store, "p", "none")).value.length, 0);
      assert.equal((await read(store, "p", "empty")).value.length, 0);
      assert.equal(await store.get("p", bytes("missing")), undefined);
      assert.deepEqual(await contents(store, "p"), { none: "", empty: "" });
    });

    it("reads many rows at once, in the requested order, including missing ones and duplicates", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "1", b: "2", c: "3" } }));
      const rows = await store.getMany("p", ["c", "x", "a", "c", "b", "y"].map(bytes));
      assert.deepEqual(
        rows.map((row) => row && text(row.key) + text(row.value)),
        ["c3", undefined, "a1", "c3", "b2", undefined],
      );
      assert.deepEqual(await store.getMany("p", []), []);
    });

    it("accepts a value of maxValueBytes", async ({ store }) => {
      const value = pattern(store.limits.maxValueBytes);
      await commit(store, "p", { conditions: [], puts: [{ key: bytes("k"), value: [value] }], deletes: [] });
      const row = await read(store, "p", "k");
      assert.ok(Buffer.compare(row.value, value) === 0, "the value differs");
      assert.equal(row.version, (await scanAll(store, "p"))[0].version);
    });

    it("accepts a value of 1 MiB + 64 KiB, the minimum, and replaces it with a short one", async ({ store }) => {
      const size = 1024 * 1024 + 64 * 1024;
      assert.ok(store.limits.maxValueBytes >= size);
      const value = [pattern(size - 10), bytes("0123456789")];
      await commit(store, "p", { conditions: [], puts: [{ key: bytes("k"), value }], deletes: [] });
      assert.ok(Buffer.compare((await read(store, "p", "k")).value, Buffer.concat(value)) === 0, "the value differs");
      await commit(store, "p", batch({ put: { k: "short" } }));
      assert.deepEqual(await contents(store, "p"), { k: "short" });
      await commit(store, "p", batch({ remove: ["k"] }));
      assert.deepEqual(await contents(store, "p"), {});
    });

    it("accepts maxOperations in one commit, including conditions", async ({ store }) => {
      const conditions = [{ key: bytes("condition"), version: null }];
      const puts = Array.from({ length: store.limits.maxOperations - 1 }, (_, index) => ({
        key: bytes(`k${String(index).padStart(6, "0")}`),
        value: [bytes(String(index))],
      }));
      await commit(store, "p", { conditions, puts, deletes: [] });
      const rows = await scanAll(store, "p");
      assert.deepEqual(
        rows.map((row) => text(row.value)),
        puts.map((_, index) => String(index)),
      );
    });

    it("accepts maxBatchBytes in one commit", async ({ store }) => {
      const keyBytes = 8;
      const puts = [];
      for (let left = store.limits.maxBatchBytes; left > keyBytes; ) {
        const size = Math.min(left - keyBytes, 256 * 1024);
        puts.push({ key: bytes(`k${String(puts.length).padStart(keyBytes - 1, "0")}`), value: [pattern(size)] });
        left -= keyBytes + size;
      }
      await commit(store, "p", { conditions: [], puts, deletes: [] });
      const rows = await scanAll(store, "p");
      assert.equal(rows.length, puts.length);
      for (const [index, row] of rows.entries()) {
        assert.ok(Buffer.compare(row.value, puts[index].value[0]) === 0, `value ${index} differs`);
      }
    });

    it("gives readers buffers of their own", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "before" } }));
      const row = await read(store, "p", "a");
      const [scanned] = await scanAll(store, "p");
      await commit(store, "p", batch({ put: { a: "after!" } }));
      assert.equal(text(row.value), "before");
      assert.equal(text(scanned!.value), "before");
    });
  });
}

/** Bytes with a period that is no power of two, so that a piece in the wrong place shows. */
function pattern(size: number): Uint8Array {
  const period = Uint8Array.from({ length: 251 }, (_, index) => index);
  return Buffer.alloc(size, period);
}
