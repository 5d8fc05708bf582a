import { type CommitBatch, memoryStorage, type PartitionStore, type Storage } from "@streamkit/server";
import { changedStorage } from "../../../server/src/storage/changed-storage.ts";
import type { Deviation } from "./deviation.ts";

function bend(name: string, wrong: string, change: (store: PartitionStore) => Partial<PartitionStore>): Deviation {
  return {
    name,
    wrong,
    where: "storage",
    storage: () => (next) => changedStorage(next, change),
  };
}

interface Written {
  readonly storeId: string;
  readonly partition: string;
  readonly batch: CommitBatch;
}

/** Storage that records commits. A restart brings back all but the last `lost` commits of each store. */
function forgetful(lost: number): () => (next: Storage, generation: number) => Storage {
  return () => {
    const written: Written[] = [];
    const recording = (storage: Storage): Storage =>
      changedStorage(storage, (store, storeId) => ({
        async commit(partition, batch) {
          const copy = {
            ...batch,
            puts: batch.puts.map(({ key, value }) => ({ key: key.slice(), value: [Buffer.concat(value)] })),
          };
          const result = await store.commit(partition, batch);
          if (result.committed) written.push({ storeId, partition, batch: copy });
          return result;
        },
      }));
    return (next, generation) => (generation === 0 ? recording(next) : recording(replayed(written, lost)));
  };
}

/** Creates a storage and writes recorded commits into it before its first use. */
function replayed(written: readonly Written[], lost: number): Storage {
  const storage = memoryStorage();
  const kept = written.filter(
    (each, index) => written.slice(index + 1).filter(({ storeId }) => storeId === each.storeId).length >= lost,
  );
  let replaying: Promise<void> | undefined;
  const replay = async (): Promise<void> => {
    for (const { storeId, partition, batch } of kept) {
      const store = (await storage.open(storeId, { create: true }))!;
      await store.commit(partition, { ...batch, conditions: [] });
      await store.close();
    }
  };
  return {
    kind: storage.kind,
    location: storage.location,
    shared: storage.shared,
    async open(storeId, options) {
      replaying ??= replay();
      await replaying;
      return storage.open(storeId, options);
    },
    list: (options) => storage.list(options),
    close: () => storage.close(),
  };
}

/** Servers whose storage breaks the promises of the Partition port. */
export const STORAGE_DEVIATIONS: readonly Deviation[] = [
  {
    name: "ack-before-sync",
    wrong: "loses the last commit of every store at a restart",
    where: "storage",
    storage: forgetful(1),
  },
  {
    name: "volatile-storage",
    wrong: "loses everything at a restart",
    where: "storage",
    storage: forgetful(Number.POSITIVE_INFINITY),
  },
  bend("lost-put", "does not write the last row of a commit", (store) => ({
    commit: async (partition, batch) => {
      const result = await store.commit(partition, { ...batch, puts: batch.puts.slice(0, -1) });
      return result.committed ? { committed: true, versions: [...result.versions, result.versions[0] ?? 1] } : result;
    },
  })),
  bend("scan-loses-first-row", "does not see the first row of a range", (store) => ({
    async *scan(partition, options) {
      let first = true;
      for await (const page of store.scan(partition, options)) {
        yield first ? page.slice(1) : page;
        first = false;
      }
    },
  })),
  bend("scan-stops-early", "reads no more than three rows of a range", (store) => ({
    scan: (partition, options) => store.scan(partition, { ...options, limit: Math.min(3, options.limit ?? 3) }),
  })),
  bend("unsorted-partitions", "lists partitions backwards", (store) => ({
    partitions: async (options) => (await store.partitions(options)).reverse(),
  })),
  bend("flipped-bit", "returns large values with one bit flipped", (store) => ({
    async *scan(partition, options) {
      for await (const page of store.scan(partition, options)) {
        yield page.map((row) => {
          if (row.value.length < 60) return row;
          const value = row.value.slice();
          value[value.length - 2] ^= 1;
          return { ...row, value };
        });
      }
    },
  })),
];
