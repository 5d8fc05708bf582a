import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { batch, bytes, commit, conflict, contents, read, text } from "./rows.ts";
import type { ContractTests } from "./suite.ts";

export function describeAtomicity({ describe, it }: ContractTests): void {
  describe("atomicity", () => {
    it("puts and deletes together", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "1", b: "1", c: "1" } }));
      await commit(store, "p", batch({ put: { a: "2", d: "2" }, remove: ["b", "c", "missing"] }));
      assert.deepEqual(await contents(store, "p"), { a: "2", d: "2" });
    });

    it("writes nothing at all on a conflict", async ({ store }) => {
      const [version] = await commit(store, "p", batch({ put: { a: "1", b: "1" } }));
      await conflict(store, "p", batch({ when: { z: version! }, put: { a: "2", c: "2" }, remove: ["b"] }));
      assert.deepEqual(await contents(store, "p"), { a: "1", b: "1" });
      assert.equal((await read(store, "p", "a")).version, version);
    });

    it("shows whole commits to concurrent readers", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "0", b: "0" } }));
      let written = false;
      const writing = (async () => {
        for (let round = 1; round <= 30; round++) {
          await commit(store, "p", batch({ put: { a: String(round), b: String(round) } }));
        }
        written = true;
      })();
      // The loop reads `a` first. A commit that became visible in parts would show a newer `a` than `b`.
      while (!written) {
        const a = Number(text((await read(store, "p", "a")).value));
        const b = Number(text((await read(store, "p", "b")).value));
        assert.ok(b >= a, `b is at ${b} after a was at ${a}`);
        // A backend may answer reads within one turn of the event loop, but the writer needs further turns.
        await nextTurn();
      }
      await writing;
    });

    it("makes a commit visible before it answers", async ({ store }) => {
      for (let round = 0; round < 20; round++) {
        await commit(store, "p", batch({ put: { a: String(round) } }));
        assert.equal(text((await read(store, "p", "a")).value), String(round));
      }
    });

    it("keeps many concurrent commits to many partitions apart", async ({ store }) => {
      const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
      await Promise.all(
        names.flatMap((name) =>
          Array.from({ length: 5 }, (_, index) => commit(store, name, batch({ put: { [`k${index}`]: name } }))),
        ),
      );
      for (const name of names) {
        assert.deepEqual(await contents(store, name), { k0: name, k1: name, k2: name, k3: name, k4: name });
      }
    });

    it("does not keep the buffers of a commit that has returned", async ({ store }) => {
      const key = Buffer.from("key");
      const value = Buffer.from("value");
      await commit(store, "p", { conditions: [], puts: [{ key, value: [value] }], deletes: [] });
      key.fill(0x78);
      value.fill(0x78);
      assert.equal(text((await store.get("p", bytes("key")))!.value), "value");
    });
  });
}
