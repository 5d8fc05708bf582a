import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../errors.ts";
import type { PartitionStore, Storage } from "../port.ts";
import { batch, bytes, commit, conflict, contents, read, scanAll } from "./rows.ts";
import { type ContractTests, openStore } from "./suite.ts";

export function describeLifecycle({ describe, it, capabilities }: ContractTests): void {
  describe("lifecycle", () => {
    it("keeps rows and versions over a reopen", async ({ store, reopen }) => {
      const [a, b] = await commit(store, "p", batch({ put: { a: "1", b: "1" } }));
      await commit(store, "p", batch({ put: { a: "2" } }));
      const reopened = await reopen();
      assert.deepEqual(await contents(reopened, "p"), { a: "2", b: "1" });
      assert.equal((await read(reopened, "p", "b")).version, b);
      await conflict(reopened, "p", batch({ when: { a: a! }, put: { a: "3" } }));
      await commit(reopened, "p", batch({ when: { b: b! }, put: { a: "3" } }));
    });

    it("never repeats a version after a reopen", async ({ store, reopen }) => {
      const versions = [];
      let current = store;
      for (let round = 0; round < 5; round++) {
        versions.push(...(await commit(current, "p", batch({ put: { a: "same" } }))));
        await commit(current, "p", batch({ remove: ["a"] }));
        current = await reopen();
      }
      assert.equal(new Set(versions).size, versions.length, versions.join(" "));
    });

    it("keeps stores apart", async ({ storage, store }) => {
      await commit(store, "p", batch({ put: { a: "mine" } }));
      const other = await openStore(storage, randomUUID());
      try {
        assert.equal(await other.get("p", bytes("a")), undefined);
        assert.deepEqual(await other.partitions({ prefix: "", limit: 10 }), []);
        await commit(other, "p", batch({ when: { a: null }, put: { a: "other" } }));
        assert.deepEqual(await contents(store, "p"), { a: "mine" });
      } finally {
        await other.drop();
      }
    });

    it("creates nothing when opened without create", async ({ storage, storeId }) => {
      assert.equal(await storage.open(randomUUID(), { create: false }), undefined);
      assert.deepEqual(await storage.list({ limit: 10 }), [storeId]);
    });

    it("lists stores in order, after an id, up to a limit", async ({ storage, storeId }) => {
      const others = [randomUUID(), randomUUID(), randomUUID()];
      for (const id of others) await (await openStore(storage, id)).close();
      const ids = [storeId, ...others].sort();
      assert.deepEqual(await storage.list({ limit: 10 }), ids);
      assert.deepEqual(await storage.list({ limit: 2 }), ids.slice(0, 2));
      assert.deepEqual(await storage.list({ after: ids[1], limit: 10 }), ids.slice(2));
      assert.deepEqual(await storage.list({ after: ids[0], limit: 2 }), ids.slice(1, 3));
      assert.deepEqual(await storage.list({ after: ids[3], limit: 2 }), []);
    });

    it("forgets everything on drop", async ({ storage, storeId, store }) => {
      await commit(store, "p", batch({ put: { a: "1" } }));
      await store.drop();
      assert.deepEqual(await storage.list({ limit: 10 }), []);
      assert.equal(await storage.open(storeId, { create: false }), undefined);
      const anew = await openStore(storage, storeId);
      assert.deepEqual(await contents(anew, "p"), {});
      await commit(anew, "p", batch({ when: { a: null }, put: { a: "2" } }));
      await anew.close();
    });

    it("refuses calls after close, and can be closed twice", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "1" } }));
      await Promise.all([store.close(), store.close()]);
      await store.close();
      await failsUnavailable(() => store.get("p", bytes("a")));
      await failsUnavailable(() => store.getMany("p", [bytes("a")]));
      await failsUnavailable(() => scanAll(store, "p"));
      await failsUnavailable(() => store.commit("p", batch({ put: { a: "2" } })));
      await failsUnavailable(() => store.partitions({ prefix: "", limit: 1 }));
    });

    it("finishes the operations in flight when closed", async ({ store, reopen }) => {
      const commits = Array.from({ length: 20 }, (_, index) =>
        store.commit("p", batch({ put: { [`k${index}`]: String(index) } })),
      );
      const reopened = await reopen();
      for (const result of await Promise.all(commits)) assert.ok(result.committed);
      assert.equal((await scanAll(reopened, "p")).length, 20);
    });

    it("closes even if a reader has stopped in the middle of a scan", async ({ store }) => {
      await commit(store, "p", batch({ put: { a: "1", b: "1" } }));
      const pages = store.scan("p", { gte: bytes("a"), lt: bytes("z"), pageBytes: 1 })[Symbol.asyncIterator]();
      assert.equal((await pages.next()).done, false);
      await store.close();
      await pages.return?.();
    });

    it("has a single opener, or is shared by all", async ({ storage, storeId, store }) => {
      if (capabilities.exclusive ?? !storage.shared) await isHeld(storage, storeId);
      else await isShared(storage, storeId, store);
    });
  });
}

async function isHeld(storage: Storage, storeId: string): Promise<void> {
  await failsUnavailable(() => storage.open(storeId, { create: true }));
  await failsUnavailable(() => storage.open(storeId, { create: false }));
}

async function isShared(storage: Storage, storeId: string, store: PartitionStore): Promise<void> {
  const other = await openStore(storage, storeId);
  try {
    const [first] = await commit(store, "p", batch({ put: { a: "1" } }));
    const [second] = await commit(other, "p", batch({ when: { a: first! }, put: { a: "2" } }));
    await conflict(store, "p", batch({ when: { a: first! }, put: { a: "3" } }));
    const results = await Promise.all([
      store.commit("p", batch({ when: { a: second! }, put: { a: "4" } })),
      other.commit("p", batch({ when: { a: second! }, put: { a: "5" } })),
    ]);
    assert.equal(results.filter((result) => result.committed).length, 1);
  } finally {
    await other.close();
  }
  assert.equal((await contents(store, "p")).a?.length, 1, "closing one handle leaves the other");
}

async function failsUnavailable(operation: () => Promise<unknown>): Promise<void> {
  await assert.rejects(operation, (error) => {
    assert.ok(error instanceof ServerError, String(error));
    assert.equal(error.reason, ErrorReason.STORAGE_UNAVAILABLE);
    return true;
  });
}
