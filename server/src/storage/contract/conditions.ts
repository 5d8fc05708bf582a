import assert from "node:assert/strict";
import type { PartitionStore, RowVersion } from "../port.ts";
import { batch, bytes, commit, conflict, contents, read, scanAll, text } from "./rows.ts";
import type { ContractTests } from "./suite.ts";

export function describeConditions({ describe, it }: ContractTests): void {
  describe("conditions", () => {
    it("commits at the current version of a row, and conflicts at any other", async ({ store }) => {
      const [first] = await commit(store, "p", batch({ put: { a: "1" } }));
      const [second] = await commit(store, "p", batch({ when: { a: first! }, put: { a: "2" } }));
      await conflict(store, "p", batch({ when: { a: first! }, put: { a: "3" } }));
      await commit(store, "p", batch({ when: { a: second! }, put: { a: "4" } }));
      assert.deepEqual(await contents(store, "p"), { a: "4" });
    });

    it("gives the same version from commit, get, getMany and scan", async ({ store }) => {
      const [version] = await commit(store, "p", batch({ put: { a: "1" } }));
      assert.equal((await read(store, "p", "a")).version, version);
      assert.equal((await store.getMany("p", [bytes("a")]))[0]?.version, version);
      assert.equal((await scanAll(store, "p"))[0].version, version);
    });

    it("checks that a row is absent", async ({ store }) => {
      await commit(store, "p", batch({ when: { a: null }, put: { a: "1" } }));
      await conflict(store, "p", batch({ when: { a: null }, put: { a: "2" } }));
      await commit(store, "p", batch({ remove: ["a"] }));
      await commit(store, "p", batch({ when: { a: null }, put: { a: "3" } }));
      assert.deepEqual(await contents(store, "p"), { a: "3" });
    });

    it("does the same for rows that every commit with a condition on them also writes", async ({ store }) => {
      const always = (changes: Parameters<typeof batch>[0]) => {
        const { conditions, ...rest } = batch(changes);
        return { ...rest, conditions: conditions.map((condition) => ({ ...condition, alwaysWritten: true })) };
      };
      const [first] = await commit(store, "p", always({ when: { a: null }, put: { a: "1" } }));
      await conflict(store, "p", always({ when: { a: null }, put: { a: "2" } }));
      const [second] = await commit(store, "p", always({ when: { a: first! }, put: { a: "3" } }));
      await conflict(store, "p", always({ when: { a: first! }, put: { a: "4", b: "4" } }));
      await conflict(store, "p", always({ when: { a: second!, b: first! }, put: { a: "5", b: "5" } }));
      await commit(store, "p", always({ when: { a: second! }, remove: ["a"] }));
      await conflict(store, "p", always({ when: { a: second! }, put: { a: "6" } }));
      assert.deepEqual(await contents(store, "p"), {});
    });

    it("conflicts on a version of a deleted row", async ({ store }) => {
      const [version] = await commit(store, "p", batch({ put: { a: "1" } }));
      await commit(store, "p", batch({ remove: ["a"] }));
      await conflict(store, "p", batch({ when: { a: version! }, put: { a: "2" } }));
      assert.deepEqual(await contents(store, "p"), {});
    });

    it("checks rows that the commit does not write", async ({ store }) => {
      const [version] = await commit(store, "p", batch({ put: { a: "1" } }));
      await commit(store, "p", batch({ when: { a: version!, other: null }, put: { b: "2" } }));
      assert.equal((await read(store, "p", "a")).version, version, "a condition alone does not change a row");
      await conflict(store, "p", batch({ when: { b: null }, put: { c: "3" } }));
      assert.deepEqual(await contents(store, "p"), { a: "1", b: "2" });
    });

    it("commits if all of several conditions hold, and conflicts if one does not", async ({ store }) => {
      const [a, b] = await commit(store, "p", batch({ put: { a: "1", b: "1" } }));
      const [b2] = await commit(store, "p", batch({ put: { b: "2" } }));
      await conflict(store, "p", batch({ when: { a: a!, b: b!, c: null }, put: { a: "3" } }));
      await conflict(store, "p", batch({ when: { a: a!, b: b2!, c: a! }, put: { a: "3" } }));
      await conflict(store, "p", batch({ when: { a: null, b: b2!, c: null }, put: { a: "3" } }));
      await commit(store, "p", batch({ when: { a: a!, b: b2!, c: null }, put: { a: "3" } }));
    });

    it("checks conditions of a commit that writes nothing", async ({ store }) => {
      const [version] = await commit(store, "p", batch({ put: { a: "1" } }));
      await commit(store, "p", batch({ when: { a: version!, b: null } }));
      await conflict(store, "p", batch({ when: { a: null } }));
    });

    it("deletes under a condition", async ({ store }) => {
      const [first] = await commit(store, "p", batch({ put: { a: "1" } }));
      const [second] = await commit(store, "p", batch({ put: { a: "2" } }));
      await conflict(store, "p", batch({ when: { a: first! }, remove: ["a"] }));
      await commit(store, "p", batch({ when: { a: second! }, remove: ["a"] }));
      assert.equal(await store.get("p", bytes("a")), undefined);
    });

    it("changes the version with every write, even of the same bytes, and never repeats one", async ({ store }) => {
      const versions = new Set<RowVersion>();
      for (let round = 0; round < 10; round++) {
        for (let write = 0; write < 2; write++) {
          const [version] = await commit(store, "p", batch({ put: { a: "same" } }));
          assert.ok(!versions.has(version!), `version ${version} came twice`);
          versions.add(version!);
        }
        await commit(store, "p", batch({ remove: ["a"] }));
      }
    });

    it("loses no update to a counter under concurrent increments", async ({ store }) => {
      await commit(store, "p", batch({ put: { counter: "0" } }));
      await Promise.all(Array.from({ length: 8 }, () => incrementTimes(store, "p", 5)));
      assert.equal(text((await read(store, "p", "counter")).value), "40");
    });

    it("lets exactly one of many commits at the same version win", async ({ store }) => {
      const [version] = await commit(store, "p", batch({ put: { a: "0" } }));
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, index) =>
          store.commit("p", batch({ when: { a: version! }, put: { a: String(index), [`winner${index}`]: "" } })),
        ),
      );
      assert.equal(results.filter((result) => result.committed).length, 1);
      const winner = results.findIndex((result) => result.committed);
      assert.deepEqual(await contents(store, "p"), { a: String(winner), [`winner${winner}`]: "" });
    });
  });
}

async function incrementTimes(store: PartitionStore, partition: string, times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    const { version, value } = await read(store, partition, "counter");
    const next = String(Number(text(value)) + 1);
    const result = await store.commit(partition, batch({ when: { counter: version }, put: { counter: next } }));
    if (result.committed) done += 1;
  }
}
