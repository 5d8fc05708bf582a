import { ErrorReason } from "@streamkit/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { makeInstance } from "../../test/instance.ts";
import { dataLoss, storageUnavailable } from "../errors.ts";
import { changedStorage } from "../storage/changed-storage.ts";
import { faultyStorage } from "../storage/contract/faulty-storage.ts";
import { memoryStorage } from "../storage/memory/index.ts";
import type { Storage } from "../storage/port.ts";

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const refused = (reason: ErrorReason) => expect.objectContaining({ reason });

/** A memory storage that counts openings and closings. `gate` decides when an opening continues. */
function observed(gate: (storeId: string) => Promise<void> = async () => {}) {
  const opened: string[] = [];
  const closed: string[] = [];
  const watched = changedStorage(memoryStorage(), (store, storeId) => ({
    close() {
      closed.push(storeId);
      return store.close();
    },
  }));
  const storage: Storage = {
    ...watched,
    async open(storeId, options) {
      opened.push(storeId);
      await gate(storeId);
      return await watched.open(storeId, options);
    },
  };
  return { storage, opened, closed };
}

const append = (storeId: string) => ({
  storeId,
  space: "space",
  appends: [{ segment: "s", records: [{ payload: Buffer.from("x") }] }],
});

afterEach(() => {
  vi.useRealTimers();
});

describe("OpenStores", () => {
  it("opens a store once for any number of concurrent callers", async () => {
    const { storage, opened } = observed();
    await using instance = makeInstance(storage);
    const leases = await Promise.all(Array.from({ length: 20 }, () => instance.openStores.acquire(id(1))));
    expect(opened).toEqual([id(1)]);
    expect(new Set(leases.map((hold) => hold.store)).size).toBe(1);
    for (const hold of leases) hold[Symbol.dispose]();
  });

  it("opens stores independently of each other", async () => {
    let release = () => {};
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { storage } = observed((storeId) => (storeId === id(1) ? stuck : Promise.resolve()));
    await using instance = makeInstance(storage);
    const first = instance.openStores.acquire(id(1));
    using other = await instance.openStores.acquire(id(2));
    expect(other.store.id).toBe(id(2));
    release();
    (await first)[Symbol.dispose]();
  });

  it("closes unused stores, and never a store with a live stream", async () => {
    const { storage, closed } = observed();
    await using instance = makeInstance(storage, { idleMillis: 0 });
    await instance.stream.append(append(id(1)));
    await instance.stream.append(append(id(2)));
    const end = new AbortController();
    const request = { storeId: id(1), space: "space", follow: true };
    const follower = instance.stream.consumeSpace(request, { signal: end.signal })[Symbol.asyncIterator]();
    await follower.next();
    instance.openStores.evictIdle();
    await expect.poll(() => closed).toEqual([id(2)]);
    expect(instance.openStores.count).toBe(1);
    await instance.stream.append(append(id(1)));
    expect((await follower.next()).value.batches).toHaveLength(1);
    // No code asks for another message, and the hold must end all the same.
    end.abort();
    await expect
      .poll(() => {
        instance.openStores.evictIdle();
        return instance.openStores.count;
      })
      .toBe(0);
    // A closed store opens again with its old content.
    const { ranges } = await instance.stream.append(append(id(2)));
    expect(ranges[0].firstSequence).toBe(2n);
  });

  it("holds at most the allowed number of stores: idle ones make room, used ones do not", async () => {
    const { storage, closed } = observed();
    await using instance = makeInstance(storage, { maxOpenStores: 2 });
    await instance.stream.append(append(id(1)));
    await instance.stream.append(append(id(2)));
    using held = await instance.openStores.acquire(id(2));
    await instance.stream.append(append(id(3)));
    expect(closed).toEqual([id(1)]);
    using third = await instance.openStores.acquire(id(3));
    // One store that exists, and one that would be created.
    await expect(instance.openStores.acquire(id(1))).rejects.toEqual(refused(ErrorReason.OVERLOADED));
    await expect(instance.stream.append(append(id(4)))).rejects.toThrow(/all 2 stores .* are in use/);
    expect([held.store.id, third.store.id]).toEqual([id(2), id(3)]);
  });

  it("after a failed opening reports the reason and the pause, waits, and recovers", async () => {
    let broken: Error | undefined = dataLoss("damaged");
    const { storage, opened } = observed(async () => {
      if (broken !== undefined) throw broken;
    });
    await using instance = makeInstance(storage);
    // The test controls the clock that measures the pause; timers run normally.
    vi.useFakeTimers({ toFake: ["performance"] });
    for (let i = 0; i < 5; i++)
      await expect(instance.openStores.acquire(id(1))).rejects.toEqual(refused(ErrorReason.DATA_LOSS));
    expect(opened).toHaveLength(1);
    const again = await instance.openStores.acquire(id(1)).catch((error) => error);
    expect(again.facts.retryAfterMillis).toBe(500);
    vi.advanceTimersByTime(499);
    await expect(instance.openStores.acquire(id(1))).rejects.toEqual(refused(ErrorReason.DATA_LOSS));
    expect(opened).toHaveLength(1);
    // The failure of one store does not affect another.
    broken = undefined;
    (await instance.openStores.acquire(id(2)))[Symbol.dispose]();
    await expect(instance.openStores.acquire(id(1))).rejects.toEqual(refused(ErrorReason.DATA_LOSS));
    vi.advanceTimersByTime(1);
    (await instance.openStores.acquire(id(1)))[Symbol.dispose]();
  });

  it("opens a store again after its storage failed: first an unknown outcome, then the true one (fault 4)", async () => {
    let fail = false;
    const failing = faultyStorage(memoryStorage(), { commit: () => (fail ? { kind: "fail-after" } : undefined) });
    await using instance = makeInstance(failing);
    await instance.stream.append(append(id(1)));
    fail = true;
    const request = { ...append(id(1)), transactionId: crypto.randomUUID() };
    await expect(instance.stream.append(request)).rejects.toThrow(/unavailable/);
    fail = false;
    const again = await instance.stream.append(request);
    expect(again).toMatchObject({ deduplicated: true, ranges: [{ firstSequence: 2n, lastSequence: 2n }] });
  });

  it("resolves an unknown outcome on shared storage by reading, even without a transaction id (faults 10, 13)", async () => {
    for (const kind of ["fail-after", "fail-before"] as const) {
      let faults = 0;
      const failing = faultyStorage(memoryStorage({ shared: true }), {
        commit: (number) => (number === 2 && faults++ === 0 ? { kind } : undefined),
      });
      await using instance = makeInstance(failing);
      for (let i = 1n; i <= 3n; i++) {
        const { ranges, deduplicated } = await instance.stream.append(append(id(1)));
        expect(ranges[0].lastSequence).toBe(i);
        expect(deduplicated).toBe(false);
      }
      expect(faults).toBe(1);
    }
  });

  // Cause: an instance that has not written lately does not keep up with the commits of others. It took its own append
  // for the append of another instance.
  it("resolves an unknown outcome of its first write by reading, even without a transaction id", async () => {
    const memory = memoryStorage({ shared: true });
    await using other = makeInstance(memory);
    await using instance = makeInstance(
      faultyStorage(memory, { commit: (number) => (number === 1 ? { kind: "fail-after" } : undefined) }),
    );
    await other.stream.append(append(id(1)));
    await instance.withStore(id(1), async (store) => void (await store.space("space").sync()));
    expect(await instance.stream.append(append(id(1)))).toMatchObject({ ranges: [{ firstSequence: 2n }] });
    expect(await other.stream.append(append(id(1)))).toMatchObject({ ranges: [{ firstSequence: 3n }] });
  });

  it("does not repeat an append if nothing tells its outcome", async () => {
    const memory = memoryStorage({ shared: true });
    await using other = makeInstance(memory);
    await other.stream.append(append(id(1)));
    let lost = false;
    const losing = changedStorage(memory, (store) => ({
      async commit(partition, batch) {
        const result = await store.commit(partition, batch);
        if (lost) return result;
        lost = true;
        // The deletion removes the entries that would have shown the repeated append.
        await other.stream.deleteSpace({ storeId: id(1), space: "space" });
        throw storageUnavailable("the answer is lost");
      },
    }));
    await using instance = makeInstance(losing);
    await expect(instance.stream.append(append(id(1)))).rejects.toThrow(/the outcome of the append is unknown/);
    expect(await other.stream.append(append(id(1)))).toMatchObject({ ranges: [{ firstSequence: 3n }] });
  });
});

describe("ids of stores that do not exist (M4)", () => {
  it("push out no existing store, and go with their last holder", async () => {
    const { storage, closed } = observed();
    await using instance = makeInstance(storage, { maxOpenStores: 2 });
    await instance.stream.append(append(id(1)));
    await instance.stream.append(append(id(2)));
    for (let n = 100; n < 400; n++) await instance.stream.listSpaces({ storeId: id(n) });
    expect(closed).toEqual([]);
    expect(instance.openStores.count).toBe(2);
  });

  it("have a separate limit", async () => {
    await using instance = makeInstance(memoryStorage(), { maxOpenStores: 2 });
    await instance.stream.append(append(id(1)));
    using _first = await instance.openStores.acquire(id(100));
    using second = await instance.openStores.acquire(id(101));
    await expect(instance.openStores.acquire(id(102))).rejects.toEqual(refused(ErrorReason.OVERLOADED));
    second[Symbol.dispose]();
    using third = await instance.openStores.acquire(id(102));
    expect(third.store.exists).toBe(false);
    // A created store counts like the others, and makes room for itself.
    await instance.stream.append(append(id(102)));
    expect(third.store.exists).toBe(true);
  });

  it("cost little when opening them fails, and are forgotten", async () => {
    const { storage } = observed(async () => {
      throw storageUnavailable("EMFILE", new Error("too many open files"));
    });
    await using instance = makeInstance(storage);
    for (let n = 0; n < 3_000; n++) await instance.openStores.acquire(id(n)).catch(() => undefined);
    expect(instance.openStores.rememberedFailures).toBeLessThanOrEqual(1_024);
  });
});

describe("deleting", () => {
  it("does not open a closed store, if the storage can do without", async () => {
    const { storage, opened } = observed(async () => {
      throw dataLoss("damaged");
    });
    const dropped: string[] = [];
    await using instance = makeInstance({
      ...storage,
      drop: async (storeId) => {
        dropped.push(storeId);
      },
    });
    await expect(instance.openStores.acquire(id(1))).rejects.toEqual(refused(ErrorReason.DATA_LOSS));
    await instance.stores.deleteStore({ storeId: id(1) });
    expect(dropped).toEqual([id(1)]);
    expect(opened).toEqual([id(1)]);
    // The failure is forgotten: otherwise the store would open again at once.
    expect(instance.openStores.rememberedFailures).toBe(0);
  });
});
