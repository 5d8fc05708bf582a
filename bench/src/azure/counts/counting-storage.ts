import type { CommitBatch, Row, Storage } from "@streamkit/server";
import { changedStorage } from "../../../../server/src/storage/changed-storage.ts";

/** Calls of the Partition port by the engine. */
export interface PortCounts {
  /** Calls of `get`. */
  gets: number;
  /** Calls of `getMany`. */
  getManys: number;
  /** Calls of `scan`, and the pages that the engine read from them. */
  scans: number;
  pages: number;
  /** Rows that these calls returned, and the bytes of their keys and values. */
  rowsRead: number;
  bytesRead: number;
  /** Calls of `commit` that wrote, and calls that found a broken condition. */
  commits: number;
  conflicts: number;
  /** Rows put and deleted, conditions, and the bytes of all keys and values. */
  rowsPut: number;
  rowsDeleted: number;
  conditions: number;
  bytesWritten: number;
}

/** Counts of zero. */
export function zeroCounts(): PortCounts {
  return {
    gets: 0,
    getManys: 0,
    scans: 0,
    pages: 0,
    rowsRead: 0,
    bytesRead: 0,
    commits: 0,
    conflicts: 0,
    rowsPut: 0,
    rowsDeleted: 0,
    conditions: 0,
    bytesWritten: 0,
  };
}

/**
 * The same storage, with every call to its stores counted in `counts`. It offers no probe, because probes depend on
 * time and not on work.
 */
export function countingStorage(storage: Storage, counts: PortCounts): Storage {
  const { probe: _, ...counting } = changedStorage(storage, (store) => ({
    async get(partition, key) {
      counts.gets++;
      const row = await store.get(partition, key);
      countRead(counts, [row]);
      return row;
    },
    async getMany(partition, keys) {
      counts.getManys++;
      const rows = await store.getMany(partition, keys);
      countRead(counts, rows);
      return rows;
    },
    async *scan(partition, options) {
      counts.scans++;
      for await (const page of store.scan(partition, options)) {
        counts.pages++;
        countRead(counts, page);
        yield page;
      }
    },
    async commit(partition, batch) {
      const result = await store.commit(partition, batch);
      if (result.committed) countWritten(counts, batch);
      else counts.conflicts++;
      return result;
    },
  }));
  return counting;
}

function countRead(counts: PortCounts, rows: readonly (Row | undefined)[]): void {
  for (const row of rows) {
    if (row === undefined) continue;
    counts.rowsRead++;
    counts.bytesRead += row.key.length + row.value.length;
  }
}

function countWritten(counts: PortCounts, { conditions, puts, deletes }: CommitBatch): void {
  counts.commits++;
  counts.conditions += conditions.length;
  counts.rowsPut += puts.length;
  counts.rowsDeleted += deletes.length;
  for (const key of deletes) counts.bytesWritten += key.length;
  for (const { key, value } of puts) {
    counts.bytesWritten += key.length;
    for (const part of value) counts.bytesWritten += part.length;
  }
}
