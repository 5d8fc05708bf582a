import type { PartitionStore, Storage, StreamkitOptions } from "@streamkit/server";
import { withMethods, withStores } from "../mutants/bent-storage.ts";

/** Instances that break a promise that only several of them can break: the histories must catch each. */
export type InstanceDeviation =
  | "head-condition-ignored"
  | "cached-head-trusted"
  | "never-polls"
  | "transactions-forgotten";

/** The tag of rows that remember transactions, see the engine's key space. */
const TRANSACTION_TAG = 0x74;
/** The longest that a timer can wait: 25 days. */
const NEVER_MILLIS = 2 ** 31 - 1;

/** Options with one thing broken. */
export function deviate(options: StreamkitOptions, deviation: InstanceDeviation | undefined): StreamkitOptions {
  switch (deviation) {
    case undefined:
      return options;
    case "head-condition-ignored":
      return {
        ...options,
        storage: bend(options.storage, (store) => ({
          commit: (partition, batch) => store.commit(partition, { ...batch, conditions: [] }),
        })),
      };
    case "cached-head-trusted":
      return { ...options, storage: { ...bend(options.storage, () => ({})), shared: false } };
    case "never-polls": {
      const { bus: _bus, ...others } = options;
      return { ...others, pollMillis: NEVER_MILLIS };
    }
    case "transactions-forgotten":
      return {
        ...options,
        storage: bend(options.storage, (store) => ({
          get: async (partition, key) => (key[0] === TRANSACTION_TAG ? undefined : store.get(partition, key)),
        })),
      };
  }
}

function bend(storage: Storage, methods: (store: PartitionStore) => Partial<PartitionStore>): Storage {
  return withStores(storage, (store) => withMethods(store, methods(store)));
}
