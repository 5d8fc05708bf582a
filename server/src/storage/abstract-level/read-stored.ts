import type { Database } from "./database.ts";

/**
 * Up to this many rows are read synchronously: 3 us each, against 11 us through the thread pool, which the fsyncs of
 * commits also use.
 */
const SYNCHRONOUS_READS = 4;

/** Reads several stored values; `result[i]` belongs to `keys[i]`. */
export async function readStored(database: Database, keys: Buffer[]): Promise<(Uint8Array | undefined)[]> {
  if (keys.length <= SYNCHRONOUS_READS && readsSynchronously(database.supports)) {
    return keys.map((key) => database.getSync(key));
  }
  return database.getMany(keys);
}

/** The type of the manifest does not list `getSync` yet. */
function readsSynchronously(supports: Database["supports"] & { getSync?: boolean }): boolean {
  return supports.getSync === true;
}
