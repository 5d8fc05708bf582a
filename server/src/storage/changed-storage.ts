import type { PartitionStore, Storage } from "./port.ts";

/**
 * The same storage with some methods of its stores replaced: to count calls, to slow them down, or to make them fail.
 *
 * @param change called for each store that is opened; returns the methods to replace
 */
export function changedStorage(
  inner: Storage,
  change: (store: PartitionStore, storeId: string) => Partial<PartitionStore>,
): Storage {
  return {
    kind: inner.kind,
    location: inner.location,
    shared: inner.shared,
    async open(storeId, options) {
      const store = await inner.open(storeId, options);
      return store && changedStore(store, change(store, storeId));
    },
    list: (options) => inner.list(options),
    ...(inner.probe && { probe: (options) => inner.probe!(options) }),
    close: () => inner.close(),
  };
}

/** The same store, with some methods replaced. */
export function changedStore(store: PartitionStore, methods: Partial<PartitionStore>): PartitionStore {
  return {
    limits: store.limits,
    get: (...args) => store.get(...args),
    getMany: (...args) => store.getMany(...args),
    scan: (...args) => store.scan(...args),
    commit: (...args) => store.commit(...args),
    partitions: (...args) => store.partitions(...args),
    ...(store.assertRoom && { assertRoom: () => store.assertRoom!() }),
    ...(store.readsOnly && { readsOnly: () => store.readsOnly!() }),
    ...(store.compact && { compact: (partition) => store.compact!(partition) }),
    drop: () => store.drop(),
    close: () => store.close(),
    ...methods,
  };
}
