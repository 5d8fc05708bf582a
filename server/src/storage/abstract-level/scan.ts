import type { AbstractIteratorOptions } from "abstract-level";
import type { Row, ScanOptions } from "../port.ts";
import type { Database } from "./database.ts";
import type { OpenOperations } from "./open-operations.ts";
import { partitionPrefix, storedKey } from "./stored-key.ts";
import { readVersion, valueBytes } from "./stored-value.ts";

const DEFAULT_PAGE_BYTES = 256 * 1024;

/** Rows requested from the database at once. The page size in bytes normally ends a page earlier. */
const READ_AHEAD = 10_000;

/** classic-level ends a page at this many bytes; other databases ignore it. */
type PagedIteratorOptions = AbstractIteratorOptions<Uint8Array, Uint8Array> & { highWaterMarkBytes: number };

/**
 * Reads a range of a partition page by page, from a snapshot that is taken when the first page is requested.
 *
 * Each page is an operation of its own, so a reader that pauses between two pages does not keep the store from closing.
 */
export async function* scanPages(
  database: Database,
  operations: OpenOperations,
  partition: string,
  { gte, lt, limit = Number.POSITIVE_INFINITY, pageBytes = DEFAULT_PAGE_BYTES }: ScanOptions,
): AsyncGenerator<readonly Row[]> {
  operations.assertOpen();
  const prefix = partitionPrefix(partition);
  const options: PagedIteratorOptions = {
    gte: storedKey(prefix, gte),
    lt: storedKey(prefix, lt),
    highWaterMarkBytes: pageBytes,
  };
  const iterator = database.iterator(options);
  try {
    let left = limit;
    while (left > 0) {
      const entries = await operations.run(() => iterator.nextv(Math.min(left, READ_AHEAD)));
      if (entries.length === 0) return;
      left -= entries.length;
      yield* pagesOf(entries, prefix.length, pageBytes);
    }
  } finally {
    await iterator.close();
  }
}

/** Cuts the rows of one read into pages, for databases that ignore `highWaterMarkBytes`. */
function* pagesOf(entries: [Uint8Array, Uint8Array][], prefixLength: number, pageBytes: number): Generator<Row[]> {
  let page: Row[] = [];
  let bytes = 0;
  for (const [key, value] of entries) {
    page.push({ key: key.subarray(prefixLength), value: valueBytes(value), version: readVersion(value) });
    bytes += key.length + value.length;
    if (bytes >= pageBytes) {
      yield page;
      page = [];
      bytes = 0;
    }
  }
  if (page.length > 0) yield page;
}
