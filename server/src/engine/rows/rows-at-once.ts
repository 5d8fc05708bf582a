import type { KeyRange, PartitionStore, Row } from "../../storage/port.ts";
import { successor } from "./key-space.ts";

/** Fewest and most rows of one step. Fewer are not worth a request; more would take too much memory. */
const MIN_ROWS = 16;
const MAX_ROWS = 1_024;
const PAGE_BYTES = 64 * 1024;

/**
 * Reads a range for a list that stops after about `atOnce` rows.
 *
 * A plain scan reads a full page of the backend: a list of 100 names then pays for thousands of rows. The first step
 * reads `atOnce` rows. Rows without an item make further steps necessary; the steps double, so that a range full of
 * such rows takes few requests.
 *
 * @param atOnce rows that the list wants
 */
export async function* rowsAtOnce(
  store: PartitionStore,
  partition: string,
  { gte, lt }: KeyRange,
  atOnce: number,
): AsyncGenerator<readonly Row[], void, undefined> {
  let from = gte;
  for (let limit = Math.max(MIN_ROWS, Math.min(MAX_ROWS, atOnce)); ; limit = Math.min(MAX_ROWS, 2 * limit)) {
    let count = 0;
    for await (const rows of store.scan(partition, { gte: from, lt, limit, pageBytes: PAGE_BYTES })) {
      count += rows.length;
      yield rows;
      if (rows.length > 0) from = successor(rows[rows.length - 1].key);
    }
    if (count < limit) return;
  }
}
