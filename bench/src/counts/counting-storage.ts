import type { CommitBatch, PartitionStore, Row, ScanOptions, Storage } from "@streamkit/server";

/** What the engine asked of the Partition port. */
export interface PortCounts {
  /** Calls of `get`. */
  gets: number;
  /** Calls of `getMany`. */
  getManys: number;
  /** Calls of `scan`, and the pages that were taken from them. */
  scans: number;
  pages: number;
  /** Rows that any of these found, and the bytes of their keys and values. */
  rowsRead: number;
  bytesRead: number;
  /** Calls of `commit` that wrote, and those that found a condition broken. */
  commits: number;
  conflicts: number;
  /** Rows put and deleted, conditions, and the bytes of all keys and values. */
  rowsPut: number;
  rowsDeleted: number;
  conditions: number;
  bytesWritten: number;
}

/** Counts that start at zero. */
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

/** The same storage, with every call to its stores counted in `counts`. */
export function countingStorage(storage: Storage, counts: PortCounts): Storage {
  return {
    kind: storage.kind,
    location: storage.location,
    shared: storage.shared,
    async open(storeId, options) {
      const store = await storage.open(storeId, options);
      return store && new CountingStore(store, counts);
    },
    list: (options) => storage.list(options),
    close: () => storage.close(),
  };
}

class CountingStore implements PartitionStore {
  readonly limits: PartitionStore["limits"];
  readonly #store: PartitionStore;
  readonly #counts: PortCounts;

  constructor(store: PartitionStore, counts: PortCounts) {
    this.#store = store;
    this.#counts = counts;
    this.limits = store.limits;
  }

  async get(partition: string, key: Uint8Array): Promise<Row | undefined> {
    this.#counts.gets++;
    const row = await this.#store.get(partition, key);
    this.#read([row]);
    return row;
  }

  async getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]> {
    this.#counts.getManys++;
    const rows = await this.#store.getMany(partition, keys);
    this.#read(rows);
    return rows;
  }

  async *scan(partition: string, options: ScanOptions): AsyncIterable<readonly Row[]> {
    this.#counts.scans++;
    for await (const page of this.#store.scan(partition, options)) {
      this.#counts.pages++;
      this.#read(page);
      yield page;
    }
  }

  async commit(partition: string, batch: CommitBatch): ReturnType<PartitionStore["commit"]> {
    const result = await this.#store.commit(partition, batch);
    if (result.committed) this.#wrote(batch);
    else this.#counts.conflicts++;
    return result;
  }

  partitions(options: Parameters<PartitionStore["partitions"]>[0]): Promise<string[]> {
    return this.#store.partitions(options);
  }

  drop(): Promise<void> {
    return this.#store.drop();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #read(rows: readonly (Row | undefined)[]): void {
    for (const row of rows) {
      if (row === undefined) continue;
      this.#counts.rowsRead++;
      this.#counts.bytesRead += row.key.length + row.value.length;
    }
  }

  #wrote({ conditions, puts, deletes }: CommitBatch): void {
    const counts = this.#counts;
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
}
