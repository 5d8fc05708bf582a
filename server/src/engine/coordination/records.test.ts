/**
 * Changes of leases and cursors whose outcome is unknown. Such changes were once applied twice: seconds after the call
 * had failed, a late commit of a cursor replaced an acknowledged one.
 */
import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { failureOf, makeInstance } from "../../../test/instance.ts";
import { storageUnavailable } from "../../errors.ts";
import { changedStorage } from "../../storage/changed-storage.ts";
import { memoryStorage } from "../../storage/memory/index.ts";
import type { CommitBatch, CommitResult } from "../../storage/port.ts";

const name = "billing";
const lost = () => storageUnavailable("the answer is lost");

/** Two instances on one storage. The first makes its commits through `commit`, which gets their numbers. */
function pair(
  commit: (
    number: number,
    batch: CommitBatch,
    apply: (batch: CommitBatch) => Promise<CommitResult>,
  ) => Promise<CommitResult>,
) {
  const memory = memoryStorage({ shared: true });
  let commits = 0;
  const storage = changedStorage(memory, (store) => ({
    commit: (partition, batch) => commit(++commits, batch, (each) => store.commit(partition, each)),
  }));
  return {
    storeId: randomUUID(),
    instance: makeInstance(storage),
    other: makeInstance(memory),
    commits: () => commits,
  };
}

it("are not repeated once another writer has changed the row, and may have happened", async () => {
  const { storeId, instance, other, commits } = pair(async (_, batch, apply) => {
    await apply(batch);
    await other.cursors.commitCursor({ storeId, name, offsets: { orders: 7n } });
    throw lost();
  });
  await using _a = instance;
  await using _b = other;
  await other.cursors.commitCursor({ storeId, name, offsets: { orders: 1n } });
  const failure = await failureOf(instance.cursors.commitCursor({ storeId, name, offsets: { orders: 5n } }));
  expect(failure).toMatchObject({ reason: ErrorReason.STORAGE_UNAVAILABLE });
  expect(commits()).toBe(1);
  const { cursor } = await other.cursors.getCursor({ storeId, name });
  expect(cursor).toMatchObject({ version: 3n, offsets: { orders: 7n } });
});

it("are not refused because of their own effect", async () => {
  const { storeId, instance, other } = pair(async (_, batch, apply) => {
    await apply(batch);
    await other.cursors.commitCursor({ storeId, name, offsets: { orders: 7n } });
    throw lost();
  });
  await using _a = instance;
  await using _b = other;
  await other.cursors.commitCursor({ storeId, name, offsets: { orders: 1n } });
  const commit = instance.cursors.commitCursor({ storeId, name, offsets: { orders: 5n }, expectedVersion: 1n });
  expect(await failureOf(commit)).toMatchObject({ reason: ErrorReason.STORAGE_UNAVAILABLE });
});

it("are done when nothing is left to do, whichever writer came last", async () => {
  const { storeId, instance, other } = pair(async (_, batch, apply) => {
    await apply(batch);
    await other.leases.acquireLease({ storeId, key: "k", holder: "two" });
    throw lost();
  });
  await using _a = instance;
  await using _b = other;
  const { lease } = await other.leases.acquireLease({ storeId, key: "k", holder: "one" });
  await instance.leases.releaseLease({ storeId, key: "k", holder: "one", fencingToken: lease!.fencingToken });
  expect((await other.leases.getLease({ storeId, key: "k" })).lease).toMatchObject({ holder: "two", fencingToken: 2n });
});

it("are found when the first of two attempts without an answer arrives late", async () => {
  let first: CommitBatch | undefined;
  const { storeId, instance, other } = pair(async (number, batch, apply) => {
    if (number === 1) {
      const puts = batch.puts.map(({ key, value }) => ({ key: key.slice(), value: [Buffer.concat(value)] }));
      first = { ...batch, puts };
    } else await apply(first!);
    throw lost();
  });
  await using _a = instance;
  await using _b = other;
  await other.cursors.commitCursor({ storeId, name, offsets: { orders: 1n } });
  const { cursor } = await instance.cursors.commitCursor({ storeId, name, offsets: { orders: 5n } });
  expect(cursor).toMatchObject({ version: 2n });
  expect((await other.cursors.getCursor({ storeId, name })).cursor).toEqual(cursor);
});

it("do not race with other changes of the same instance", async () => {
  const { storeId, instance, other, commits } = pair((_number, batch, apply) => apply(batch));
  await using _a = instance;
  await using _b = other;
  const changes = Array.from({ length: 8 }, () => instance.cursors.commitCursor({ storeId, name, offsets: { a: 1n } }));
  const versions = (await Promise.all(changes)).map(({ cursor }) => cursor!.version);
  expect(new Set(versions).size).toBe(8);
  expect(commits()).toBe(8);
});

it("that arrive together cost one read each, and nobody waits for refused ones", async () => {
  let reads = 0;
  let commits = 0;
  const storage = changedStorage(memoryStorage({ shared: true }), (store) => ({
    get(partition, key) {
      if (partition === "leases") reads++;
      return store.get(partition, key);
    },
    commit(partition, batch) {
      if (partition === "leases") commits++;
      return store.commit(partition, batch);
    },
  }));
  await using instance = makeInstance(storage);
  const storeId = randomUUID();
  await instance.cursors.commitCursor({ storeId, name, offsets: { orders: 1n } });
  const holders = Array.from({ length: 100 }, (_, index) => `h${index}`);
  const asked = holders.map((holder) => failureOf(instance.leases.acquireLease({ storeId, key: "k", holder })));
  const refused = (await Promise.all(asked)).filter((failure) => failure !== undefined);
  expect(refused).toHaveLength(99);
  expect(refused.every(({ reason }) => reason === ErrorReason.LEASE_HELD)).toBe(true);
  expect({ reads, commits }).toEqual({ reads: 100, commits: 1 });
});

it("see the changes of others since their own request", async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const { promise: written, resolve: write } = Promise.withResolvers<void>();
  const { storeId, instance, other } = pair(async (number, batch, apply) => {
    const result = await apply(batch);
    write();
    if (number === 1) await answered;
    return result;
  });
  await using _a = instance;
  await using _b = other;
  await other.cursors.commitCursor({ storeId, name, offsets: { orders: 1n } });
  const first = instance.leases.acquireLease({ storeId, key: "k", holder: "one" });
  await written;
  const { lease } = await other.leases.getLease({ storeId, key: "k" });
  await other.leases.releaseLease({ storeId, key: "k", holder: "one", fencingToken: lease!.fencingToken });
  // This request comes after the release, while the previous request still waits for its answer.
  const second = instance.leases.acquireLease({ storeId, key: "k", holder: "two" });
  await new Promise((resolve) => setImmediate(resolve));
  answer();
  expect((await first).lease).toMatchObject({ holder: "one" });
  expect((await second).lease).toMatchObject({ holder: "two" });
});

it("that write nothing do not wait for changes that write", async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const { promise: writing, resolve: begin } = Promise.withResolvers<void>();
  const { storeId, instance, other } = pair(async (_number, batch, apply) => {
    begin();
    await answered;
    return apply(batch);
  });
  await using _a = instance;
  await using _b = other;
  const { lease } = await other.leases.acquireLease({ storeId, key: "k", holder: "one" });
  const renewal = instance.leases.renewLease({ storeId, key: "k", holder: "one", fencingToken: lease!.fencingToken });
  await writing;
  expect(await failureOf(instance.leases.acquireLease({ storeId, key: "k", holder: "two" }))).toMatchObject({
    reason: ErrorReason.LEASE_HELD,
  });
  answer();
  expect((await renewal).lease).toMatchObject({ holder: "one" });
});
