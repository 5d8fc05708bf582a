import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { PartitionStore, Row, Storage } from "@streamkit/server";
import { messageOf, rowOf } from "./stored-row.ts";

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

/** A store that shows rows as `see` wants them, wherever it shows them. */
export function seeing(
  store: PartitionStore,
  see: (partition: string, row: Row) => Row | undefined,
): Pick<PartitionStore, "get" | "getMany" | "scan"> {
  const seen = (partition: string, row: Row | undefined) => row && see(partition, row);
  return {
    get: async (partition, key) => seen(partition, await store.get(partition, key)),
    getMany: async (partition, keys) => (await store.getMany(partition, keys)).map((row) => seen(partition, row)),
    async *scan(partition, options) {
      for await (const page of store.scan(partition, options)) yield page.flatMap((row) => see(partition, row) ?? []);
    },
  };
}

/** A row with its message changed. */
export function changed<Desc extends DescMessage>(
  row: Row,
  schema: Desc,
  change: (message: MessageShape<Desc>) => void,
): Row {
  const message = fromBinary(schema, messageOf(row.value));
  change(message);
  return { ...row, value: rowOf(toBinary(schema, message)) };
}
