import { fromBinary } from "@bufbuild/protobuf";
import { LeaseRecordSchema, type SegmentHead, SegmentHeadSchema, SpaceHeadSchema } from "@streamkit/protocol/storage";
import type { PartitionStore, Row } from "@streamkit/server";
import { changedStorage } from "../../../server/src/storage/changed-storage.ts";
import { changed, seeing } from "../lab/bent-rows.ts";
import { messageOf } from "../lab/stored-row.ts";
import type { Deviation } from "./deviation.ts";

/** First bytes of keys, as in server/src/engine/rows/key-space.ts. */
const HEAD = "h".charCodeAt(0);
const SEGMENT_HEAD = "s".charCodeAt(0);
const TRANSACTION = "t".charCodeAt(0);
/** First byte of a key, as in server/src/engine/coordination/key-space.ts. */
const WORKER = "w".charCodeAt(0);

/** An instance with private knowledge of its stores. `change` is called once per instance and store. */
function bend(name: string, wrong: string, change: (store: PartitionStore) => Partial<PartitionStore>): Deviation {
  return {
    name,
    wrong,
    where: "instances",
    storage: () => (next) => changedStorage(next, change),
  };
}

/** The rows that an instance has seen, by partition and key. */
class Memory<T> {
  readonly #values = new Map<string, T>();

  get(partition: string, key: Uint8Array): T | undefined {
    return this.#values.get(nameOf(partition, key));
  }

  set(partition: string, key: Uint8Array, value: T): void {
    this.#values.set(nameOf(partition, key), value);
  }

  has(partition: string, key: Uint8Array): boolean {
    return this.#values.has(nameOf(partition, key));
  }

  delete(partition: string, key: Uint8Array): void {
    this.#values.delete(nameOf(partition, key));
  }
}

function nameOf(partition: string, key: Uint8Array): string {
  return `${partition}\n${Buffer.from(key).toString("latin1")}`;
}

/**
 * An instance that misses changes of another instance to a segment for which `isSuch` returns true, until the segment
 * has its next entry.
 */
function unseen(name: string, wrong: string, isSuch: (before: SegmentHead, after: SegmentHead) => boolean): Deviation {
  return bend(name, wrong, (store) => {
    const known = new Memory<Uint8Array>();
    const see = (partition: string, row: Row): Row => {
      if (row.key[0] !== SEGMENT_HEAD) return row;
      const before = known.get(partition, row.key);
      if (before !== undefined) {
        const [old, now] = [segmentHeadOf(before), segmentHeadOf(row.value)];
        if (old.lastSequence === now.lastSequence && isSuch(old, now)) return { ...row, value: before };
      }
      known.set(partition, row.key, row.value.slice());
      return row;
    };
    return {
      ...seeing(store, see),
      async commit(partition, batch) {
        const own = batch.puts
          .filter(({ key }) => key[0] === SEGMENT_HEAD)
          .map(({ key, value }) => ({ key: key.slice(), value: Buffer.concat(value) }));
        const result = await store.commit(partition, batch);
        if (result.committed) for (const { key, value } of own) known.set(partition, key, value);
        return result;
      },
    };
  });
}

function segmentHeadOf(value: Uint8Array): SegmentHead {
  return fromBinary(SegmentHeadSchema, messageOf(value));
}

/** An instance that reads a row of a partition once, and again only after it has tried to write it. */
function remembering(name: string, wrong: string, remembered: string): Deviation {
  return bend(name, wrong, (store) => {
    const known = new Memory<Row | undefined>();
    return {
      async get(partition, key) {
        if (partition !== remembered) return store.get(partition, key);
        if (!known.has(partition, key)) known.set(partition, key, await store.get(partition, key));
        return known.get(partition, key);
      },
      async commit(partition, batch) {
        for (const { key } of batch.puts) known.delete(partition, key);
        return store.commit(partition, batch);
      },
    };
  });
}

/** Servers that work correctly while they are alone with their data. */
export const INSTANCE_DEVIATIONS: readonly Deviation[] = [
  {
    name: "alone-on-shared-storage",
    wrong: "treats shared storage as its own",
    where: "instances",
    storage: () => (next) => ({ ...changedStorage(next, () => ({})), shared: false }),
  },
  bend("trusted-head", "trusts the head that it has in memory", (store) => {
    const heads = new Memory<Row | undefined>();
    return {
      async get(partition, key) {
        if (key[0] !== HEAD) return store.get(partition, key);
        if (!heads.has(partition, key)) heads.set(partition, key, await store.get(partition, key));
        return heads.get(partition, key);
      },
      async commit(partition, batch) {
        const result = await store.commit(partition, batch);
        // A conflict, and a commit of its own, make the instance read again.
        heads.delete(partition, Uint8Array.of(HEAD));
        return result;
      },
    };
  }),
  bend("lost-update", "commits without a condition on the head", (store) => ({
    commit: (partition, batch) => store.commit(partition, { ...batch, conditions: [] }),
  })),
  bend("conflict-for-success", "treats a commit with a conflict as done", (store) => ({
    async commit(partition, batch) {
      const result = await store.commit(partition, batch);
      return result.committed ? result : { committed: true, versions: batch.puts.map(() => -1) };
    },
  })),
  {
    name: "never-polls",
    wrong: "does not poll followed spaces",
    where: "instances",
    pollMillis: 3_600_000,
  },
  bend("own-clock", "takes the time of a commit from its own clock, even if the previous commit is later", (store) =>
    seeing(store, (_, row) => {
      if (row.key[0] !== HEAD) return row;
      return changed(row, SpaceHeadSchema, (head) => {
        head.lastTime = 0n;
      });
    }),
  ),
  bend("private-dedupe", "remembers only its own transactions", (store) => {
    const own = new Memory<true>();
    return {
      ...seeing(store, (partition, row) =>
        row.key[0] === TRANSACTION && !own.has(partition, row.key) ? undefined : row,
      ),
      async commit(partition, batch) {
        for (const { key } of batch.puts) if (key[0] === TRANSACTION) own.set(partition, key, true);
        const conditions = batch.conditions.filter(({ key }) => key[0] !== TRANSACTION);
        return store.commit(partition, { ...batch, conditions });
      },
    };
  }),
  unseen(
    "unseen-trims",
    "does not see trims of other instances",
    (before, after) => after.firstSequence > before.firstSequence && !after.unlisted,
  ),
  unseen("unseen-deletes", "does not see that another instance deleted a segment", (_, after) => after.unlisted),
  unseen(
    "unseen-fences",
    "does not see fencing tokens from other instances",
    (before, after) => after.fencingToken > before.fencingToken,
  ),
  bend("unseen-store-deletion", "continues with a store that another instance has deleted", (store) => {
    const heads = new Memory<Row>();
    const known = (partition: string, key: Uint8Array, row: Row | undefined): Row | undefined => {
      if (key[0] !== HEAD) return row;
      if (row === undefined) return heads.get(partition, key);
      heads.set(partition, key, row);
      return row;
    };
    return {
      get: async (partition, key) => known(partition, key, await store.get(partition, key).catch(() => undefined)),
      async getMany(partition, keys) {
        const rows = await store.getMany(partition, keys).catch(() => []);
        return keys.map((key, index) => known(partition, key, rows[index]));
      },
    };
  }),
  bend("remembered-spaces", "lists the spaces that its first list found", (store) => {
    const pages = new Map<string, Promise<string[]>>();
    return {
      partitions(options) {
        const asked = JSON.stringify(options);
        const page = pages.get(asked) ?? store.partitions(options);
        pages.set(asked, page);
        return page;
      },
    };
  }),
  remembering("remembered-leases", "trusts the leases that it has in memory", "leases"),
  remembering("remembered-cursors", "trusts the cursors that it has in memory", "cursors"),
  bend(
    "lease-by-wall-clock",
    "compares its own clock with the time that another instance wrote into a lease",
    (store) =>
      seeing(store, (partition, row) => {
        if (partition !== "leases") return row;
        return changed(row, LeaseRecordSchema, (record) => {
          const left = Number(record.expireTime) / 1_000 - Date.now();
          record.ttlMillis = BigInt(Math.max(0, Math.floor(left)));
        });
      }),
  ),
  bend("private-presence", "shows only the workers of its own streams", (store) => {
    const own = new Memory<true>();
    const isForeign = (partition: string, { key }: Row): boolean =>
      partition.startsWith("w:") && key[0] === WORKER && !own.has(partition, key);
    return {
      ...seeing(store, (partition, row) => (isForeign(partition, row) ? undefined : row)),
      commit(partition, batch) {
        for (const { key } of batch.puts) own.set(partition, key, true);
        return store.commit(partition, batch);
      },
    };
  }),
];
