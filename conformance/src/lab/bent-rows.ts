import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { PartitionStore, Row } from "@streamkit/server";
import { messageOf, rowOf } from "./stored-row.ts";

/** Returns a store whose reads all pass rows through `see`, which may change or hide a row. */
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

/** Returns a row with a changed message. */
export function changed<Desc extends DescMessage>(
  row: Row,
  schema: Desc,
  change: (message: MessageShape<Desc>) => void,
): Row {
  const message = fromBinary(schema, messageOf(row.value));
  change(message);
  return { ...row, value: rowOf(toBinary(schema, message)) };
}
