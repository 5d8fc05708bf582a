import assert from "node:assert/strict";
import { batch, commit, conflict, contents } from "./rows.ts";
import type { ContractTests } from "./suite.ts";

/** In the order of their UTF-8, which differs from that of UTF-16: U+1F600 comes after U+FF21. */
const names = ["A", "a", "a\u0001", "a b", "a!", "a/b", "ab", "abc", "b", "ä", "Ａ", "😀"];

export function describePartitions({ describe, it }: ContractTests): void {
  describe("partitions", () => {
    it("are separate, even if their names begin alike or look like keys", async ({ store }) => {
      for (const name of names) await commit(store, name, batch({ put: { a: name, ab: name, b: name } }));
      for (const name of names) assert.deepEqual(await contents(store, name), { a: name, ab: name, b: name });
      await commit(store, "a", batch({ remove: ["a", "ab", "b"] }));
      assert.deepEqual(await contents(store, "a"), {});
      assert.deepEqual(await contents(store, "ab"), { a: "ab", ab: "ab", b: "ab" });
    });

    it("have conditions of their own", async ({ store }) => {
      const [version] = await commit(store, "p", batch({ put: { a: "1" } }));
      await conflict(store, "q", batch({ when: { a: version! }, put: { a: "2" } }));
      await commit(store, "q", batch({ when: { a: null }, put: { a: "2" } }));
    });

    it("are listed in the byte order of their names", async ({ store }) => {
      for (const name of [...names].reverse()) await commit(store, name, batch({ put: { k1: "", k2: "" } }));
      assert.deepEqual(await store.partitions({ prefix: "", limit: 100 }), names);
    });

    it("are listed by prefix, after a name, up to a limit", async ({ store }) => {
      for (const name of names) await commit(store, name, batch({ put: { k1: "", k2: "" } }));
      for (const prefix of ["", "a", "ab", "abcd", "ä", "😀", "z"]) {
        const matching = names.filter((name) => name.startsWith(prefix));
        for (const after of [undefined, "", "A", "a", "a!", "aa", "abc", "😀"]) {
          const later = matching.filter((name) => after === undefined || Buffer.compare(utf8(name), utf8(after)) > 0);
          for (const limit of [1, 2, 100]) {
            assert.deepEqual(
              await store.partitions({ prefix, limit, ...(after === undefined ? {} : { after }) }),
              later.slice(0, limit),
              JSON.stringify({ prefix, after, limit }),
            );
          }
        }
      }
    });

    it("are listed exactly while they have rows", async ({ store }) => {
      assert.deepEqual(await store.partitions({ prefix: "", limit: 10 }), []);
      await commit(store, "p", batch({ put: { a: "", b: "" } }));
      await commit(store, "q", batch({ put: { a: "" } }));
      await commit(store, "p", batch({ remove: ["a"] }));
      assert.deepEqual(await store.partitions({ prefix: "", limit: 10 }), ["p", "q"]);
      await commit(store, "p", batch({ remove: ["b"] }));
      assert.deepEqual(await store.partitions({ prefix: "", limit: 10 }), ["q"]);
    });

    it("keep names of 300 bytes unchanged", async ({ store }) => {
      const long = ["x".repeat(300), `${"x".repeat(299)}y`, "ä".repeat(150), "../..", "a\\b#c?d%2F", "É", "E\u0301"];
      for (const name of long) await commit(store, name, batch({ put: { name } }));
      for (const name of long) assert.deepEqual(await contents(store, name), { name });
      const sorted = [...long].sort((a, b) => Buffer.compare(utf8(a), utf8(b)));
      assert.deepEqual(await store.partitions({ prefix: "", limit: 10 }), sorted);
    });
  });
}

function utf8(name: string): Buffer {
  return Buffer.from(name, "utf8");
}
