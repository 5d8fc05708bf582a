import type { CommitBatch, PartitionStore, ScanOptions, Storage } from "../src/storage/port.ts";

/** What happens to one commit: the usual, or an answer that is lost after, or before, it was written. */
export type CommitFate = "answered" | "lost-answer" | "lost-request";

export interface SlowOptions {
  /** Turns of the event loop that a request takes to arrive, and again for its answer. */
  readonly turns: () => number;
  readonly fate?: () => CommitFate;
  /** What a lost commit fails with. */
  readonly failure: () => Error;
}

/** The same storage, with requests and answers that take their time and pass each other on the way. */
export function slowStorage(storage: Storage, options: SlowOptions): Storage {
  return {
    kind: storage.kind,
    location: storage.location,
    shared: storage.shared,
    async open(storeId, how) {
      const store = await storage.open(storeId, how);
      return store && new SlowStore(store, options);
    },
    list: (page) => storage.list(page),
    close: () => storage.close(),
  };
}

class SlowStore implements PartitionStore {
  readonly limits: PartitionStore["limits"];
  readonly #store: PartitionStore;
  readonly #options: SlowOptions;

  constructor(store: PartitionStore, options: SlowOptions) {
    this.#store = store;
    this.#options = options;
    this.limits = store.limits;
  }

  get(partition: string, key: Uint8Array) {
    return this.#slowly(() => this.#store.get(partition, key));
  }

  /** As on Azure: no snapshot, but a request for each. */
  getMany(partition: string, keys: readonly Uint8Array[]) {
    return Promise.all(keys.map((key) => this.get(partition, key)));
  }

  async *scan(partition: string, options: ScanOptions) {
    await this.#turns();
    for await (const page of this.#store.scan(partition, options)) {
      await this.#turns();
      yield page;
    }
  }

  async commit(partition: string, batch: CommitBatch) {
    const fate = this.#options.fate?.() ?? "answered";
    await this.#turns();
    if (fate === "lost-request") throw this.#options.failure();
    const result = await this.#store.commit(partition, batch);
    await this.#turns();
    if (fate === "lost-answer") throw this.#options.failure();
    return result;
  }

  partitions(options: Parameters<PartitionStore["partitions"]>[0]) {
    return this.#slowly(() => this.#store.partitions(options));
  }

  drop() {
    return this.#store.drop();
  }

  close() {
    return this.#store.close();
  }

  async #slowly<T>(operation: () => Promise<T>): Promise<T> {
    await this.#turns();
    const result = await operation();
    await this.#turns();
    return result;
  }

  async #turns(): Promise<void> {
    for (let count = this.#options.turns(); count > 0; count--) await new Promise(setImmediate);
  }
}
