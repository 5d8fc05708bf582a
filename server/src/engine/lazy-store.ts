import { StoreClosedError } from "../errors.ts";
import type {
  CommitBatch,
  CommitResult,
  PartitionStore,
  Row,
  ScanOptions,
  Storage,
  StorageLimits,
} from "../storage/port.ts";

/** Limits before the store exists. Every backend grants at least these. */
const NO_LIMITS_YET: StorageLimits = {
  maxOperations: 90,
  maxBatchBytes: 2.5 * 1024 * 1024,
  maxValueBytes: 1_114_112,
  referenceThresholdBytes: Number.POSITIVE_INFINITY,
};

/**
 * A store that may not exist yet. Its reads find nothing, and its first commit creates it. Reading therefore never
 * creates a store (G9), and a follower can wait for a store that does not exist.
 */
export class LazyStore implements PartitionStore {
  readonly #storage: Storage;
  readonly #id: string;
  readonly #beforeCreate: () => void;
  #inner: PartitionStore | undefined;
  #opening: Promise<PartitionStore | undefined> | undefined;
  #closed = false;

  /** @param beforeCreate called before the store is created; throws if it must not be created now */
  constructor(storage: Storage, id: string, beforeCreate: () => void = () => {}) {
    this.#beforeCreate = beforeCreate;
    this.#storage = storage;
    this.#id = id;
  }

  get limits(): StorageLimits {
    return this.#inner?.limits ?? NO_LIMITS_YET;
  }

  /** True once the store is known to exist. */
  get exists(): boolean {
    return this.#inner !== undefined;
  }

  /**
   * Opens the store if it exists. Returns true if it does.
   *
   * @param create creates the store if it does not exist
   */
  async open(create = false): Promise<boolean> {
    if (this.#inner !== undefined) return true;
    // One opening at a time. An opening that creates the store may follow one that found no store.
    while (this.#opening !== undefined) await this.#opening.catch(() => undefined);
    if (this.#inner !== undefined || this.#closed) return this.#inner !== undefined;
    if (create) this.#beforeCreate();
    this.#opening = this.#storage.open(this.#id, { create });
    try {
      this.#inner = await this.#opening;
    } finally {
      this.#opening = undefined;
    }
    return this.#inner !== undefined;
  }

  async get(partition: string, key: Uint8Array): Promise<Row | undefined> {
    return (await this.#existing())?.get(partition, key);
  }

  async getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]> {
    return (await (await this.#existing())?.getMany(partition, keys)) ?? keys.map(() => undefined);
  }

  async *scan(partition: string, options: ScanOptions): AsyncGenerator<readonly Row[], void, undefined> {
    const inner = await this.#existing();
    if (inner !== undefined) yield* inner.scan(partition, options);
  }

  async commit(partition: string, batch: CommitBatch): Promise<CommitResult> {
    await this.open(true);
    if (this.#inner === undefined) throw new StoreClosedError();
    return this.#inner.commit(partition, batch);
  }

  async partitions(options: { prefix: string; after?: string; limit: number }): Promise<string[]> {
    return (await (await this.#existing())?.partitions(options)) ?? [];
  }

  assertRoom(): void {
    this.#inner?.assertRoom?.();
  }

  readsOnly(): boolean {
    // A store that does not exist yet need not be opened again.
    return this.#inner === undefined || (this.#inner.readsOnly?.() ?? false);
  }

  async compact(partition: string): Promise<void> {
    await this.#inner?.compact?.(partition);
  }

  async drop(): Promise<void> {
    await this.open();
    this.#closed = true;
    await this.#inner?.drop();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined);
    await this.#inner?.close();
  }

  async #existing(): Promise<PartitionStore | undefined> {
    // On a shared storage, another instance may have created the store. Otherwise only this instance could have.
    if (this.#inner === undefined && this.#storage.shared) await this.open();
    return this.#inner;
  }
}
