/**
 * Heartbeats, renewals and joins of instances that share a storage: the rows that they write, and the conclusions of
 * other instances.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { storageUnavailable } from "../../../errors.ts";
import { changedStore } from "../../../storage/changed-storage.ts";
import { memoryStorage } from "../../../storage/memory/index.ts";
import type { CommitBatch, PartitionStore, RowVersion } from "../../../storage/port.ts";
import { Expiry } from "../expiry.ts";
import { groupPartition, renewalKeys, workerKeys } from "../key-space.ts";
import { GroupView, hex, type StoredHost } from "./group-view.ts";
import { WorkerGroup } from "./worker-group.ts";

const name = "pickers";
const partition = groupPartition(name);
const lost = () => storageUnavailable("the answer is lost", undefined, 1);
const clock = () => performance.now() * 1_000;

let store: PartitionStore;
let failures: unknown[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  failures = [];
  store = (await memoryStorage({ shared: true }).open(randomUUID(), { create: true }))!;
});

afterEach(() => {
  vi.useRealTimers();
  expect(failures).toEqual([]);
});

/**
 * The group on one instance.
 *
 * @param changed replaced methods of the store, for this instance only
 */
function instance(changed: Partial<PartitionStore> = {}) {
  const host = randomBytes(16);
  const group = new WorkerGroup(name, {
    store: changedStore(store, changed),
    shared: true,
    clock,
    pollMillis: 1_000,
    expiry: new Expiry(clock),
    host,
    onChange: () => {},
    onListen: () => {},
    onDeleted: (error) => failures.push(error),
    onBackgroundError: (error) => failures.push(error),
  });
  return {
    join: (id: string, intervalMillis: number) => group.join({ id, metadata: {}, intervalMillis }),
    renew: (id: string) => group.renew(id),
    close: () => group.close(),
    /** The ids that the instance knows of, once it has done all outstanding work. */
    workers: async () => {
      await group.sync();
      return group.inventory.workers.map(({ id }) => id).join();
    },
    /** Waits for all outstanding work without reading the stored state, by registering a worker. */
    settled: async () => {
      await group.join({ id: "settled", metadata: {}, intervalMillis: 60_000 });
    },
    /** The row that shows that the instance lives. */
    row: async (): Promise<StoredHost | undefined> => {
      const view = new GroupView(store, partition);
      await view.refresh();
      return view.hosts.get(hex(host));
    },
  };
}

/** A commit that waits, from `hold` until `release`. */
function gate() {
  let open = Promise.resolve();
  let release = () => {};
  let begun = 0;
  return {
    begun: () => begun,
    hold() {
      const held = Promise.withResolvers<void>();
      open = held.promise;
      release = held.resolve;
    },
    release: () => release(),
    async commit(...args: [string, CommitBatch]) {
      begun++;
      await open;
      return await store.commit(...args);
    },
  };
}

/** Lets time pass while `observer` keeps reading. Resolves with the states that it saw. */
async function seenBy(observer: ReturnType<typeof instance>, others: ReturnType<typeof instance>[], millis: number) {
  const seen = new Set<string>();
  for (let passed = 0; passed < millis; passed += 500) {
    vi.advanceTimersByTime(500);
    for (const other of others) await other.workers();
    seen.add(await observer.workers());
  }
  return [...seen];
}

it("the host row has the shortest interval of the workers, from the join of a worker until it has left", async () => {
  const a = instance();
  await a.join("long", 60_000);
  expect(await a.row()).toMatchObject({ intervalMillis: 60_000 });
  const short = await a.join("short", 1_000);
  expect(await a.row()).toMatchObject({ intervalMillis: 1_000 });
  await short.leave();
  expect(await a.row()).toMatchObject({ intervalMillis: 60_000 });
});

it("heartbeats slow down again after a worker with a shorter interval has left", async () => {
  const a = instance();
  await a.join("long", 20_000);
  await a.join("short", 1_000).then(({ leave }) => leave());
  const versions = new Set<RowVersion | undefined>();
  for (let passed = 0; passed < 90_000; passed += 1_000) {
    vi.advanceTimersByTime(1_000);
    await a.settled();
    versions.add((await a.row())?.version);
  }
  expect(versions.size).toBe(5);
});

it("a worker stays when a worker with a shorter interval leaves", async () => {
  const [a, b] = [instance(), instance()];
  await a.join("long", 20_000);
  const short = await a.join("short", 1_000);
  expect(await seenBy(b, [a], 2_000)).toEqual(["long,short"]);
  await short.leave();
  expect(await seenBy(b, [a], 90_000)).toEqual(["long"]);
});

it("a worker stays when a worker with a shorter interval is replaced on another instance", async () => {
  const [a, b, c] = [instance(), instance(), instance()];
  await a.join("long", 20_000);
  const short = await a.join("short", 1_000);
  expect(await seenBy(b, [a], 2_000)).toEqual(["long,short"]);
  await c.join("short", 1_000);
  expect(await seenBy(b, [a, c], 90_000)).toEqual(["long,short"]);
  expect(short.ended.aborted).toBe(true);
  expect(await a.row()).toMatchObject({ intervalMillis: 20_000 });
});

it("a worker stays when the join of a worker with a shorter interval is written, but fails for its caller", async () => {
  let isLost = false;
  const a = instance({
    async commit(...args) {
      const result = await store.commit(...args);
      if (isLost) throw lost();
      return result;
    },
    async *scan(...args) {
      if (isLost) throw lost();
      yield* store.scan(...args);
    },
  });
  const b = instance();
  await a.join("long", 20_000);
  isLost = true;
  await expect(a.join("short", 1_000)).rejects.toThrow("the answer is lost");
  isLost = false;
  expect(await a.row()).toMatchObject({ intervalMillis: 1_000 });
  for (let passed = 0; passed < 90_000; passed += 500) {
    vi.advanceTimersByTime(500);
    // At first, only the timer finds out the outcome of the join.
    if (passed >= 6_000) await a.settled();
    expect(await b.workers()).toContain("long");
  }
  expect(await a.row()).toMatchObject({ intervalMillis: 20_000 });
});

it("a join that fails leaves no timer behind", async () => {
  const a = instance({ commit: () => Promise.reject(lost()) });
  await expect(a.join("w", 1_000)).rejects.toThrow("the answer is lost");
  expect(vi.getTimerCount()).toBe(0);
});

it("ticks do not pile up behind a slow storage", async () => {
  const { commit, hold, release, begun } = gate();
  const a = instance({ commit });
  await a.join("w", 1_000);
  hold();
  const before = begun();
  for (let tick = 0; tick < 5; tick++) vi.advanceTimersByTime(1_000);
  release();
  await a.workers();
  expect(begun() - before).toBe(1);
  vi.advanceTimersByTime(1_000);
  await a.workers();
  expect(begun() - before).toBe(2);
});

it("a heartbeat whose answer was lost is followed by another after one interval", async () => {
  let isLost = false;
  const a = instance({
    async commit(...args) {
      const result = await store.commit(...args);
      if (!isLost) return result;
      isLost = false;
      throw lost();
    },
  });
  await a.join("w", 1_000);
  const versions = new Set<RowVersion | undefined>();
  isLost = true;
  for (let tick = 0; tick < 4; tick++) {
    versions.add((await a.row())?.version);
    vi.advanceTimersByTime(1_000);
    await a.settled();
  }
  expect(versions.size).toBe(4);
  expect(failures.splice(0)).toMatchObject([{ message: "the answer is lost" }]);
});

it("a renewal that lands after the end of its registration does not count for the next registration", async () => {
  const a = instance();
  const first = await a.join("w", 1_000);
  let leaves = true;
  const b = instance({
    async get(...args) {
      const row = await store.get(...args);
      if (leaves) await first.leave();
      leaves = false;
      return row;
    },
  });
  await b.renew("w");
  // PRE-011: this registration was never renewed.
  const { ended } = await a.join("w", 1_000);
  await seenBy(b, [a], 6_000);
  expect(ended.aborted).toBe(false);
});

it("a renewed worker leaves nothing behind, and removing any other worker costs one commit", async () => {
  const commits: CommitBatch[] = [];
  const a = instance({
    commit(partition, batch) {
      commits.push(batch);
      return store.commit(partition, batch);
    },
  });
  const [renewed, other] = [await a.join("w", 1_000), await a.join("other", 1_000)];
  expect(await instance().renew("w")).toBe(true);
  vi.advanceTimersByTime(1_000);
  await a.settled();
  commits.length = 0;
  await renewed.leave();
  expect(await store.get(partition, renewalKeys.key("w"))).toBeUndefined();
  await other.leave();
  const deleted = commits.map(({ deletes }) => deletes.map((key) => Buffer.from(key).toString("latin1")));
  const named = (key: Uint8Array) => Buffer.from(key).toString("latin1");
  expect(deleted[0]).toEqual([workerKeys.key("w"), renewalKeys.key("w")].map(named));
  expect(deleted[1]).toContain(named(workerKeys.key("other")));
  expect(deleted[1]).not.toContain(named(renewalKeys.key("other")));
  expect(commits).toHaveLength(2);
});

it("renewals that were unknown when their worker left are removed later", async () => {
  const [a, b] = [instance(), instance()];
  await a.join("other", 1_000);
  const { leave } = await a.join("w", 1_000);
  expect(await b.renew("w")).toBe(true);
  await leave();
  expect(await store.get(partition, renewalKeys.key("w"))).toBeDefined();
  for (let tick = 0; tick < 2; tick++) {
    vi.advanceTimersByTime(1_000);
    await a.settled();
  }
  expect(await store.get(partition, renewalKeys.key("w"))).toBeUndefined();
});

it("a worker that was renewed once must keep renewing", async () => {
  const [a, b, c] = [instance(), instance(), instance()];
  const { ended } = await a.join("w", 1_000);
  expect(await Promise.all([b.renew("w"), c.renew("w"), b.renew("w")])).toEqual([true, true, true]);
  for (let tick = 0; tick < 3; tick++) {
    vi.advanceTimersByTime(1_000);
    expect(await a.workers()).toBe("w");
  }
  for (let tick = 0; tick < 2; tick++) {
    vi.advanceTimersByTime(1_000);
    await a.workers();
  }
  expect(ended.aborted).toBe(true);
});

it("renewals of a registration do not count for its replacement", async () => {
  const [a, b, c] = [instance(), instance(), instance()];
  await a.join("w", 1_000);
  expect(await b.renew("w")).toBe(true);
  // PRE-011: this registration was never renewed.
  const { ended } = await c.join("w", 1_000);
  await seenBy(b, [a, c], 6_000);
  expect(ended.aborted).toBe(false);
});

it("renewals of a registration do not count for the registration that is about to replace it", async () => {
  const [a, b] = [instance(), instance()];
  const { commit, hold, release } = gate();
  const c = instance({ commit });
  await c.join("other", 1_000);
  await a.join("w", 1_000);
  expect(await b.renew("w")).toBe(true);
  hold();
  vi.advanceTimersByTime(1_000);
  const joining = c.join("w", 1_000);
  release();
  const { ended } = await joining;
  await seenBy(b, [a, c], 6_000);
  expect(ended.aborted).toBe(false);
});
