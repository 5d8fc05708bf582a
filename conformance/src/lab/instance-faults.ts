import { LeaseRecordSchema, SegmentHeadSchema } from "@streamkit/protocol/storage";
import type { Row, StreamkitOptions } from "@streamkit/server";
import { changedStorage } from "../../../server/src/storage/changed-storage.ts";
import { changed, seeing } from "./bent-rows.ts";

/** Instances with a fault that shows only between several instances. The histories must catch each of them. */
export type InstanceDeviation =
  | "head-condition-ignored"
  | "cached-head-trusted"
  | "never-polls"
  | "transactions-forgotten"
  /** Faults of leases and cursors. */
  | "coordination-condition-ignored"
  | "wall-clock-trusted"
  | "fences-forgotten";

/** Tags of the rows for remembered transactions and segment heads; see the engine's key space. */
const TRANSACTION_TAG = 0x74;
const SEGMENT_HEAD_TAG = 0x73;
/** Partitions of the engine's coordination key space. */
const LEASES = "leases";
const CURSORS = "cursors";
/** Longest wait of a timer: 25 days. */
const NEVER_MILLIS = 2 ** 31 - 1;

/** Returns the options with one fault added. */
export function deviate(options: StreamkitOptions, deviation: InstanceDeviation | undefined): StreamkitOptions {
  switch (deviation) {
    case undefined:
      return options;
    case "head-condition-ignored":
      return {
        ...options,
        storage: changedStorage(options.storage, (store) => ({
          commit: (partition, batch) => store.commit(partition, { ...batch, conditions: [] }),
        })),
      };
    case "cached-head-trusted":
      return { ...options, storage: { ...changedStorage(options.storage, () => ({})), shared: false } };
    case "never-polls": {
      const { bus: _bus, ...others } = options;
      return { ...others, pollMillis: NEVER_MILLIS };
    }
    case "transactions-forgotten":
      return {
        ...options,
        storage: changedStorage(options.storage, (store) => ({
          get: async (partition, key) => (key[0] === TRANSACTION_TAG ? undefined : store.get(partition, key)),
        })),
      };
    case "coordination-condition-ignored":
      return {
        ...options,
        storage: changedStorage(options.storage, (store) => ({
          commit: (partition, batch) =>
            store.commit(partition, [LEASES, CURSORS].includes(partition) ? { ...batch, conditions: [] } : batch),
        })),
      };
    case "wall-clock-trusted":
      return misread(options, (partition, row) =>
        partition === LEASES
          ? changed(row, LeaseRecordSchema, (lease) => {
              // Time left by the clock of the reading instance; 0 means expired.
              lease.ttlMillis = BigInt(Math.max(0, Math.floor(Number(lease.expireTime) / 1_000 - Date.now())));
            })
          : row,
      );
    case "fences-forgotten":
      return misread(options, (_, row) =>
        row.key[0] === SEGMENT_HEAD_TAG
          ? changed(row, SegmentHeadSchema, (head) => {
              head.fencingToken = 0n;
            })
          : row,
      );
  }
}

function misread(options: StreamkitOptions, see: (partition: string, row: Row) => Row): StreamkitOptions {
  return { ...options, storage: changedStorage(options.storage, (store) => seeing(store, see)) };
}
