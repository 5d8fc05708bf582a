/** What went wrong between two instances, step by step: found by generated histories (conformance/src/history/instances). */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { HEAD_KEY, spaceBlockKey } from "../src/engine/key-space.ts";
import { storageUnavailable } from "../src/errors.ts";
import { memoryStorage } from "../src/index.ts";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { faultyStorage } from "../src/storage/contract/faulty-storage.ts";
import type { Storage } from "../src/storage/port.ts";
import { type Instance, makeInstance } from "./instance.ts";

const space = "space";

/** A storage where reading one row takes as long as a test wants: until `proceed`, with what was there at first. */
function slowRow(inner: Storage) {
  const gate = { key: undefined as Uint8Array | undefined, reached: () => {}, proceed: Promise.resolve() };
  const storage = changedStorage(inner, (store) => ({
    async get(partition, key) {
      const row = await store.get(partition, key);
      if (gate.key === undefined || partition !== `s:${space}` || Buffer.compare(gate.key, key) !== 0) return row;
      gate.key = undefined;
      gate.reached();
      await gate.proceed;
      return row;
    },
  }));
  return {
    storage,
    /** Holds the next read of a row. Resolves, when it has been read, with what lets it go on. */
    hold(key: Uint8Array): Promise<() => void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate.key = key;
      gate.proceed = promise;
      return new Promise((reached) => {
        gate.reached = () => reached(resolve);
      });
    },
  };
}

function append(
  instance: Instance,
  storeId: string,
  segment: string,
  name = space,
  transactionId: string = randomUUID(),
) {
  return instance.stream.append({ storeId, space: name, transactionId, appends: [{ segment, records: [{}] }] });
}

async function read(instance: Instance, storeId: string): Promise<string[]> {
  const segments: string[] = [];
  for await (const { batches } of instance.stream.consumeSpace({ storeId, space })) {
    segments.push(...batches.map(({ segment }) => segment));
  }
  return segments;
}

/**
 * Cause: a space without a head whose entries appear before they are looked for was taken for damaged; another instance had
 * just written it for the first time.
 */
it("a space may be written for the first time while another instance looks at it", async () => {
  const shared = memoryStorage({ shared: true });
  const slow = slowRow(shared);
  await using a = makeInstance(shared);
  await using b = makeInstance(slow.storage);
  const storeId = randomUUID();
  await append(a, storeId, "s", "other");
  const holding = slow.hold(HEAD_KEY);
  const reading = read(b, storeId);
  const proceed = await holding;
  await append(a, storeId, "s");
  proceed();
  expect(await reading).toEqual(["s"]);
});

/** Cause: a read that finds its space being loaded waits for that, which may have begun before what the read must see (G5). */
it("a read sees what was acknowledged before it, although an earlier one is loading the space", async () => {
  const shared = memoryStorage({ shared: true });
  const slow = slowRow(shared);
  await using a = makeInstance(shared);
  await using b = makeInstance(slow.storage);
  const storeId = randomUUID();
  await append(a, storeId, "first");
  const holding = slow.hold(HEAD_KEY);
  using lease = await b.manager.acquire(storeId);
  const log = lease.node.space(space);
  const before = log.sync();
  const proceed = await holding;
  await append(a, storeId, "second");
  const after = log.sync();
  proceed();
  await before;
  expect(await after).toMatchObject({ lastOffset: 2 });
});

/**
 * Cause: the reclaimer took note of the state of its space after it had read the rows that it was to change, so that what
 * another instance did to them in between was undone.
 */
it("two instances can remove rows of trimmed entries at the same time", async () => {
  const shared = memoryStorage({ shared: true });
  const slow = slowRow(shared);
  await using a = makeInstance(shared);
  await using b = makeInstance(slow.storage);
  const storeId = randomUUID();
  for (const segment of ["kept", "x", "y", "w", "kept"]) await append(a, storeId, segment);
  const trim = (instance: Instance, segment: string) =>
    instance.stream.trimSegment({ storeId, space, segment, beforeSequence: 2n });
  // A hole at offset 3.
  await trim(a, "y");
  await a.settle(storeId);
  // b wants to extend it to 4, and has read that it begins at 3 ...
  const holding = slow.hold(spaceBlockKey(2));
  await trim(b, "w");
  const proceed = await holding;
  // ... when a lets it begin at 2. Then b learns what is new, from a read, and goes on.
  await trim(a, "x");
  await a.settle(storeId);
  await read(b, storeId);
  proceed();
  await b.settle(storeId);
  for (const instance of [a, b]) expect(await read(instance, storeId)).toEqual(["kept", "kept"]);
});

/**
 * Cause: after a commit without an answer, every transaction that was found was taken for the one that it wrote; later, every
 * one with the same number and time (DED-001).
 */
describe("an instance that lost the answer of a commit knows what it wrote itself", () => {
  // Two attempts at the same state have the same time.
  const clock = () => 1;
  const parts = {
    "found in the log": {},
    "found by its expectation": { expectedLastSequence: 0n },
    "found where it is stored once": { records: [{ payload: new Uint8Array(100_000) }] },
  };

  for (const [name, part] of Object.entries(parts)) {
    it(name, async () => {
      const shared = memoryStorage({ shared: true });
      let failing: "fail-before" | "fail-after" | undefined;
      await using a = makeInstance(shared, { clock });
      await using b = makeInstance(faultyStorage(shared, { commit: () => failing && { kind: failing } }), { clock });
      const storeId = randomUUID();
      const request = (instance: Instance, segment: string, transactionId: string = randomUUID()) =>
        instance.stream.append({ storeId, space, transactionId, appends: [{ segment, records: [{}], ...part }] });
      await request(b, "first");
      const transactionId = randomUUID();
      const other = await request(a, "other", transactionId);
      failing = "fail-before";
      expect(await request(b, "other", transactionId)).toMatchObject({ ...other, deduplicated: true });
      failing = "fail-after";
      expect(await request(b, "own")).toMatchObject({ deduplicated: false });
    });
  }

  it("found by the row of its result, when its entries were removed meanwhile", async () => {
    const shared = memoryStorage({ shared: true });
    await using a = makeInstance(shared, { clock });
    const removed = Promise.withResolvers<void>();
    let commits = 0;
    const slow = changedStorage(shared, (store) => ({
      async commit(partition, batch) {
        const result = await store.commit(partition, batch);
        if (++commits !== 2) return result;
        await a.stream.deleteSpace({ storeId, space });
        removed.resolve();
        throw storageUnavailable("not answered");
      },
    }));
    await using b = makeInstance(slow, { clock });
    const storeId = randomUUID();
    await append(b, storeId, "first");
    expect(await append(b, storeId, "own")).toMatchObject({ deduplicated: false });
    await removed.promise;
  });
});
