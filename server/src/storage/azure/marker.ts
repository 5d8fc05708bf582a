/**
 * The entity that says what a table is: store id and version of its layout. It is in a partition of its own, before all
 * others (partition-key.ts).
 */
import { dataLoss, storageUnavailable } from "../../errors.ts";
import type { Table } from "./table.ts";

const partitionKey = "streamkit";
const rowKey = "store";

/** Version of how rows lie in tables (entity.ts, row-key.ts, partition-key.ts). */
const layoutVersion = "1";

/**
 * Checks the marker of a table; a table that has none gets it, because whoever made the table was interrupted.
 * @throws STORAGE_UNAVAILABLE when there is no table, and for a layout that this version does not know; DATA_LOSS for
 *   the
 * table of another store.
 */
export async function ensureMarker(table: Table, storeId: string): Promise<void> {
  for (;;) {
    const marker = await table.get(partitionKey, rowKey);
    if (marker !== undefined) {
      const { layout, store } = marker.properties;
      if (layout !== layoutVersion) {
        throw storageUnavailable(
          `the store has layout ${layout}, this version of Streamkit reads ${layoutVersion}: use a matching version`,
        );
      }
      if (store !== storeId) throw dataLoss("the table of the store belongs to another store");
      return;
    }
    const properties = { layout: layoutVersion, store: storeId };
    const inserted = await table.transact(partitionKey, [{ kind: "insert", rowKey, properties }]);
    if (inserted.done) return;
    // Somebody else was faster: theirs is read.
  }
}
