/** Faults between two instances, step by step. Generated histories found them (conformance/src/histories/instances). */
import { randomUUID } from "node:crypto";
import { type ErrorDetail, ErrorReason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { purgeTransactions } from "../src/engine/removal/purge.ts";
import {
  HEAD_KEY,
  RECLAIM_RANGE,
  spaceBlockKey,
  spaceBlockRange,
  transactionKey,
} from "../src/engine/rows/key-space.ts";
import { storageUnavailable } from "../src/errors.ts";
import { memoryStorage } from "../src/index.ts";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { faultyStorage } from "../src/storage/contract/faulty-storage.ts";
import type { Storage } from "../src/storage/port.ts";
import { failureOf, type Instance, makeInstance } from "./instance.ts";

const space = "space";

/** A storage where a test can delay the read of one row. The read returns the row as it was at its start. */
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
    /** Holds the next read of a row. Resolves once the row has been read, with a function that lets the read return. */
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
 * Cause: the entries of a new space appeared before its head was read, and the instance took the space for damaged. In
 * fact another instance had just written it for the first time.
 */
it("a space may be written for the first time while another instance reads it", async () => {
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

/**
 * Cause: a read joined the loading of its space. That loading may have begun before an append that the read must see
 * (G5).
 */
it("a read sees every earlier append, even if an earlier read is loading the space", async () => {
  const shared = memoryStorage({ shared: true });
  const slow = slowRow(shared);
  await using a = makeInstance(shared);
  await using b = makeInstance(slow.storage);
  const storeId = randomUUID();
  await append(a, storeId, "first");
  const holding = slow.hold(HEAD_KEY);
  using lease = await b.openStores.acquire(storeId);
  const log = lease.store.space(space);
  const before = log.sync();
  const proceed = await holding;
  await append(a, storeId, "second");
  const after = log.sync();
  proceed();
  await before;
  expect(await after).toMatchObject({ lastOffset: 2 });
});

/**
 * Cause: the reclaimer recorded the state of its space after it had read the rows to change. So it undid changes of
 * another instance from the time in between.
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
  // b wants to extend the hole to 4, and has read that it begins at 3 ...
  const holding = slow.hold(spaceBlockKey(2));
  await trim(b, "w");
  const proceed = await holding;
  // ... when a lets it begin at 2. Then b learns of the change from a read, and continues.
  await trim(a, "x");
  await a.settle(storeId);
  await read(b, storeId);
  proceed();
  await b.settle(storeId);
  for (const instance of [a, b]) expect(await read(instance, storeId)).toEqual(["kept", "kept"]);
});

/**
 * Cause: after a commit without an answer, the instance took every transaction that it found for its own. Later it took
 * every one with the same number and time (DED-001).
 */
describe("an instance that lost the answer of a commit recognises its own transaction", () => {
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

  it("found by the row of its result, if its entries were removed in the meantime", async () => {
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

/** Cause: the instance evaluated a refusal again and again as long as others kept committing. */
it("a refused append is answered even if others keep committing", async () => {
  const shared = memoryStorage({ shared: true });
  await using other = makeInstance(shared);
  const storeId = randomUUID();
  await append(other, storeId, "o");
  let busy = false;
  let looks = 0;
  const storage = changedStorage(shared, (store) => ({
    async get(partition, key) {
      const isHead = partition === `s:${space}` && Buffer.compare(key, HEAD_KEY) === 0;
      if (busy && isHead && ++looks) await append(other, storeId, "o");
      return store.get(partition, key);
    },
  }));
  await using a = makeInstance(storage);
  await append(a, storeId, "o");
  busy = true;
  const refused = a.stream.append({
    storeId,
    space,
    appends: [{ segment: "x", records: [{}], expectedLastSequence: 5n }],
  });
  expect(await failureOf(refused)).toMatchObject({ reason: ErrorReason.SEQUENCE_MISMATCH });
  expect(looks).toBe(1);
});

/** Cause: the row of a transaction was read only if no other commit had followed the failed attempt. */
it("a retry that only a row reveals is found even if others keep committing, and delays no other append", async () => {
  const shared = memoryStorage({ shared: true });
  await using other = makeInstance(shared);
  const storeId = randomUUID();
  const transactionId = randomUUID();
  await append(other, storeId, "t", space, transactionId);
  await append(other, storeId, "t");
  let commits = 0;
  const storage = changedStorage(shared, (store) => ({
    async commit(partition, batch) {
      commits++;
      const result = await store.commit(partition, batch);
      await append(other, storeId, "o");
      return result;
    },
  }));
  await using a = makeInstance(storage);
  const repeated = append(a, storeId, "t", space, transactionId);
  const neighbour = append(a, storeId, "u");
  expect(await repeated).toMatchObject({ deduplicated: true });
  expect(await neighbour).toMatchObject({ deduplicated: false });
  expect(commits).toBeLessThan(8);
});

/**
 * Cause: a reader read the rows of a trimmed range before their removal, and looked for the mark of the trim after it.
 */
it("trimmed entries are not sent to followers of an instance that was reading during their removal", async () => {
  const shared = memoryStorage({ shared: true });
  let trimming = false;
  const [trimmed, rowsRead, removed] = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const reclaiming = changedStorage(shared, (store) => ({
    async commit(partition, batch) {
      if (batch.deletes.length > 0) await rowsRead.promise;
      return store.commit(partition, batch);
    },
  }));
  const reading = changedStorage(shared, (store) => ({
    async get(partition, key) {
      if (trimming && Buffer.compare(key, HEAD_KEY) === 0) await trimmed.promise;
      return store.get(partition, key);
    },
    async *scan(partition, options) {
      if (trimming && Buffer.compare(options.gte, RECLAIM_RANGE.gte) === 0) await removed.promise;
      try {
        yield* store.scan(partition, options);
      } finally {
        if (trimming && Buffer.compare(options.gte, spaceBlockRange(2).gte) === 0) rowsRead.resolve();
      }
    },
  }));
  await using a = makeInstance(reclaiming);
  await using b = makeInstance(reading);
  const storeId = randomUUID();
  await append(a, storeId, "kept");
  const segments: string[] = [];
  const { promise: following, resolve: follow } = Promise.withResolvers<void>();
  const followed = (async () => {
    for await (const { batches, caughtUp } of b.stream.consumeSpace({ storeId, space, follow: true })) {
      if (caughtUp) follow();
      segments.push(...batches.map(({ segment }) => segment));
      if (segments.includes("last")) break;
    }
  })();
  await following;
  trimming = true;
  await append(a, storeId, "gone");
  await append(a, storeId, "kept");
  await a.stream.trimSegment({ storeId, space, segment: "gone", beforeSequence: 2n });
  trimmed.resolve();
  await rowsRead.promise;
  await a.settle(storeId);
  removed.resolve();
  await append(a, storeId, "last");
  await followed;
  expect(segments).toEqual(["kept", "kept", "last"]);
});

/**
 * Cause: the instance found no trace of an append that had happened and was trimmed since, and so the append's own
 * expectation refused it.
 */
it("an append with an unknown outcome is not refused if a trim may have removed it", async () => {
  const shared = memoryStorage({ shared: true });
  await using a = makeInstance(shared);
  let commits = 0;
  const storage = changedStorage(shared, (store) => ({
    async commit(partition, batch) {
      const result = await store.commit(partition, batch);
      if (++commits !== 2) return result;
      await a.stream.trimSegment({ storeId, space, segment: "own", beforeSequence: 2n });
      throw storageUnavailable("not answered");
    },
  }));
  await using b = makeInstance(storage);
  const storeId = randomUUID();
  await append(b, storeId, "first");
  const appends = [{ segment: "own", records: [{}], expectedLastSequence: 0n }];
  const answer = b.stream.append({ storeId, space, transactionId: randomUUID(), appends });
  expect(await failureOf(answer)).toMatchObject({
    reason: ErrorReason.STORAGE_UNAVAILABLE,
  });
});

/** Cause: a row that had expired when it was read was removed, although its id had been used again since. */
it("a transaction that is recorded again during the removal of expired ones stays remembered", async () => {
  const shared = memoryStorage({ shared: true });
  let now = 1_000_000;
  const options = { clock: () => now, dedupeWindowMicros: 1_000 };
  await using a = makeInstance(shared, options);
  await using b = makeInstance(shared, options);
  const storeId = randomUUID();
  const transactionId = randomUUID();
  const reading = changedStorage(shared, (store) => ({
    async *scan(partition, range) {
      for await (const page of store.scan(partition, range)) {
        if (page.some(({ key }) => Buffer.compare(key, transactionKey(transactionId)) === 0)) {
          await append(b, storeId, "again", space, transactionId);
        }
        yield page;
      }
    },
  }));
  await using c = makeInstance(reading, options);
  await append(a, storeId, "once", space, transactionId);
  await append(a, storeId, "beside");
  now += 10_000;
  await append(a, storeId, "later");
  await c.withStore(storeId, async (store) => {
    await store.space(space).sync();
    await purgeTransactions(store.space(space), new AbortController().signal);
  });
  await using d = makeInstance(shared, options);
  expect(await append(d, storeId, "again", space, transactionId)).toMatchObject({ deduplicated: true });
});

/** Cause: the doubt about one append of a group was applied to appends that had joined the group later. */
it("an append that joins an unanswered one is refused because of its own expectation", async () => {
  const shared = memoryStorage({ shared: true });
  let commits = 0;
  let joining: Promise<ErrorDetail | undefined> | undefined;
  const storage = changedStorage(shared, (store) => ({
    async commit(partition, batch) {
      if (++commits !== 3) return store.commit(partition, batch);
      const appends = [{ segment: "trimmed", records: [{}], expectedLastSequence: 0n }];
      joining = failureOf(b.stream.append({ storeId, space, transactionId: randomUUID(), appends }));
      throw storageUnavailable("not answered", undefined, 1);
    },
  }));
  await using a = makeInstance(shared);
  await using b = makeInstance(storage);
  const storeId = randomUUID();
  await append(b, storeId, "trimmed");
  await append(b, storeId, "kept");
  await a.stream.trimSegment({ storeId, space, segment: "trimmed", beforeSequence: 2n });
  await append(b, storeId, "kept");
  expect(await joining).toMatchObject({ reason: ErrorReason.SEQUENCE_MISMATCH });
});
