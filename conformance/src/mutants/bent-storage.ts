import type { PartitionStore, Storage } from "@streamkit/server";

/** A storage whose stores are changed. */
export function withStores(next: Storage, change: (store: PartitionStore, storeId: string) => PartitionStore): Storage {
  return {
    kind: next.kind,
    location: next.location,
    shared: next.shared,
    async open(storeId, options) {
      const store = await next.open(storeId, options);
      return store === undefined ? undefined : change(store, storeId);
    },
    list: (options) => next.list(options),
    close: () => next.close(),
  };
}

/** A store that does what another does, except for the methods given. */
export function withMethods(store: PartitionStore, methods: Partial<PartitionStore>): PartitionStore {
  return {
    limits: store.limits,
    get: (...args) => store.get(...args),
    getMany: (...args) => store.getMany(...args),
    scan: (...args) => store.scan(...args),
    commit: (...args) => store.commit(...args),
    partitions: (...args) => store.partitions(...args),
    drop: () => store.drop(),
    close: () => store.close(),
    ...methods,
  };
}
