/**
 * The marker: the entity with the store id and layout version of a table. It has a partition of its own, before all
 * others (partition-key.ts).
 */
import { dataLoss, storageUnavailable } from "../../errors.ts";
import type { Table } from "./table.ts";

const PARTITION_KEY = "streamkit";
const ROW_KEY = "store";

/** Version of the layout of rows in tables (entity.ts, row-key.ts, partition-key.ts). */
const LAYOUT_VERSION = "1";

/**
 * Checks the marker of a table, or writes it if the creation of the table was interrupted before the marker.
 *
 * @throws STORAGE_UNAVAILABLE if there is no table, or if this version does not know the layout
 * @throws DATA_LOSS if the table belongs to another store
 */
export async function ensureMarker(table: Table, storeId: string): Promise<void> {
  for (;;) {
    const marker = await table.get(PARTITION_KEY, ROW_KEY);
    if (marker !== undefined) {
      const { layout, store } = marker.properties;
      if (layout !== LAYOUT_VERSION) {
        throw storageUnavailable(
          `the store has layout ${layout}, this version of Streamkit reads ${LAYOUT_VERSION}: use a matching version`,
        );
      }
      if (store !== storeId) throw dataLoss("the table of the store belongs to another store");
      return;
    }
    const properties = { layout: LAYOUT_VERSION, store: storeId };
    const inserted = await table.transact(PARTITION_KEY, [{ kind: "insert", rowKey: ROW_KEY, properties }]);
    if (inserted.done) return;
    // Another process was faster; read its marker.
  }
}
