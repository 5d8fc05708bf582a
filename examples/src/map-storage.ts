/**
 * A complete storage backend, on maps in memory: a start for the author of a backend. It imports published entry points
 * only, and passes the contract suite (map-storage.test.ts).
 */
import {
  type CommitBatch,
  type CommitResult,
  type PartitionStore,
  type Row,
  type ScanOptions,
  type Storage,
  type StorageLimits,
  StoreClosedError,
  storageUnavailable,
} from "@streamkit/server/storage";

const LIMITS: StorageLimits = {
  maxOperations: 1_000,
  maxBatchBytes: 16 * 1024 * 1024,
  maxValueBytes: 8 * 1024 * 1024,
  // Maps have no second index that a copy would make faster.
  referenceThresholdBytes: 0,
};

/** Rows of one partition by key in hexadecimal, which sorts like the bytes. */
type Partition = Map<string, Row>;

/** The contents of a store between two openings. */
interface Data {
  readonly partitions: Map<string, Partition>;
  isOpen: boolean;
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString("hex");
const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export function mapStorage(): Storage {
  const stores = new Map<string, Data>();
  return {
    kind: "map",
    location: "maps of this process",
    shared: false,
    async open(storeId, { create }) {
      let data = stores.get(storeId);
      if (data === undefined && !create) return undefined;
      if (data?.isOpen) throw storageUnavailable("the store is open already");
      data ??= { partitions: new Map(), isOpen: false };
      data.isOpen = true;
      stores.set(storeId, data);
      return new MapStore(data, () => stores.delete(storeId));
    },
    async list({ after = "", limit }) {
      const ids = [...stores.keys()].filter((id) => id > after);
      return ids.sort().slice(0, limit);
    },
    async close() {},
  };
}

/** Versions of all stores: a row that is deleted and written again gets a new version. */
let lastVersion = 0;

class MapStore implements PartitionStore {
  readonly limits = LIMITS;
  readonly #data: Data;
  readonly #remove: () => void;
  #closed = false;

  constructor(data: Data, remove: () => void) {
    this.#data = data;
    this.#remove = remove;
  }

  async get(partition: string, key: Uint8Array): Promise<Row | undefined> {
    return this.#rows(partition).get(hex(key));
  }

  async getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]> {
    const rows = this.#rows(partition);
    return keys.map((key) => rows.get(hex(key)));
  }

  async *scan(
    partition: string,
    { gte, lt, limit = Number.POSITIVE_INFINITY, pageBytes = 256 * 1024 }: ScanOptions,
  ): AsyncGenerator<readonly Row[]> {
    const from = hex(gte);
    const to = hex(lt);
    const rows = this.#rows(partition);
    const keys = [...rows.keys()].filter((key) => key >= from && key < to).sort();
    let page: Row[] = [];
    let bytes = 0;
    for (const key of keys.slice(0, limit)) {
      const row = rows.get(key);
      if (row === undefined) continue;
      page.push(row);
      bytes += row.value.length;
      if (bytes < pageBytes) continue;
      yield page;
      page = [];
      bytes = 0;
    }
    if (page.length > 0) yield page;
  }

  async commit(partition: string, { conditions, puts, deletes }: CommitBatch): Promise<CommitResult> {
    const rows = this.#rows(partition);
    const holds = conditions.every(({ key, version }) => (rows.get(hex(key))?.version ?? null) === version);
    if (!holds) return { committed: false };
    const versions = puts.map(({ key, value }) => {
      lastVersion += 1;
      // Copies: incoming buffers belong to the engine, and returned buffers belong to the reader.
      rows.set(hex(key), { key: key.slice(), value: Buffer.concat(value), version: lastVersion });
      return lastVersion;
    });
    for (const key of deletes) rows.delete(hex(key));
    this.#data.partitions.set(partition, rows);
    return { committed: true, versions };
  }

  async partitions({ prefix, after, limit }: { prefix: string; after?: string; limit: number }): Promise<string[]> {
    this.#assertOpen();
    const names = [...this.#data.partitions]
      .filter(([name, rows]) => rows.size > 0 && name.startsWith(prefix))
      .map(([name]) => name)
      .filter((name) => after === undefined || compareBytes(name, after) > 0);
    return names.sort(compareBytes).slice(0, limit);
  }

  async drop(): Promise<void> {
    await this.close();
    this.#remove();
  }

  async close(): Promise<void> {
    if (!this.#closed) this.#data.isOpen = false;
    this.#closed = true;
  }

  #rows(partition: string): Partition {
    this.#assertOpen();
    return this.#data.partitions.get(partition) ?? new Map();
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreClosedError();
  }
}
