/** All stores of a process share the memory of its caches: what one needs, another may lose at any moment. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { cacheBudget } from "../src/memory-budget.ts";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { takeAllCaches } from "./caches.ts";
import { makeInstance } from "./instance.ts";

it("a repeated transaction is found though its result leaves memory while its group is evaluated (G7)", async () => {
  let reading = () => {};
  const storage = changedStorage(memoryStorage(), (store) => ({
    async get(...args) {
      const row = await store.get(...args);
      reading();
      return row;
    },
  }));
  const place = { storeId: randomUUID(), space: "s" };
  const append = { segment: "a", records: [{}] };
  const known = randomUUID();
  await (async () => {
    await using instance = makeInstance(storage);
    await instance.stream.append({ ...place, transactionId: randomUUID(), appends: [append] });
  })();
  // A server that was started since looks in storage for transactions that it does not know.
  await using instance = makeInstance(storage);
  const first = await instance.stream.append({ ...place, transactionId: known, appends: [append] });
  let taken = 0;
  reading = () => {
    taken += 1;
    takeAllCaches();
  };
  const [again, other] = await Promise.all([
    instance.stream.append({ ...place, transactionId: known, appends: [append] }),
    instance.stream.append({ ...place, transactionId: randomUUID(), appends: [append] }),
  ]);
  expect(taken).toBeGreaterThan(0);
  expect([again.deduplicated, again.ranges]).toEqual([true, first.ranges]);
  expect(other.ranges[0].firstSequence).toBe(3n);
  expect(instance.failures).toEqual([]);
});

it("appends, retries, trims and reads are right while the caches are taken again and again", async () => {
  const storage = changedStorage(memoryStorage(), (store) => ({
    async commit(...args) {
      takeAllCaches();
      const result = await store.commit(...args);
      takeAllCaches();
      return result;
    },
  }));
  await using instance = makeInstance(storage);
  const place = { storeId: randomUUID(), space: "s" };
  for (let round = 1; round <= 20; round++) {
    await Promise.all(
      ["a", "b", "c"].map(async (segment) => {
        const expectedLastSequence = BigInt(round - 1);
        const transactionId = randomUUID();
        const request = { ...place, transactionId, appends: [{ segment, records: [{}], expectedLastSequence }] };
        const [one, two] = await Promise.all([instance.stream.append(request), instance.stream.append(request)]);
        expect([one.deduplicated, two.deduplicated].sort()).toEqual([false, true]);
        expect(two.ranges).toEqual(one.ranges);
      }),
    );
    await instance.stream.trimSegment({ ...place, segment: "b", beforeSequence: BigInt(round) });
  }
  const { batches } = await instance.stream.readSpace(place);
  expect(batches.map(({ segment }) => segment).sort()).toEqual([...Array(20).fill("a"), "b", ...Array(20).fill("c")]);
  expect(instance.failures).toEqual([]);
});

it("a store that is closed leaves nothing in the budget", async () => {
  const before = cacheBudget.bytes;
  await (async () => {
    await using instance = makeInstance(memoryStorage());
    const append = { segment: "a", records: [{}] };
    await instance.stream.append({ storeId: randomUUID(), space: "s", appends: [append] });
    expect(cacheBudget.bytes).toBeGreaterThan(before);
  })();
  expect(cacheBudget.bytes).toBe(before);
});
