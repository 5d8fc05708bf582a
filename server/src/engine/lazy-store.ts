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

/** Limits to evaluate with before the store exists; every backend grants at least these. */
const NO_LIMITS_YET: StorageLimits = {
  maxOperations: 90,
  maxBatchBytes: 2.5 * 1024 * 1024,
  maxValueBytes: 1_114_112,
  referenceThresholdBytes: Number.POSITIVE_INFINITY,
};

/**
 * A store that may not exist yet: reads find nothing, and the first commit creates it. So reading creates nothing (G9),
 * and a follower of a store that is not there yet just waits in it.
 */
export class LazyStore implements PartitionStore {
  readonly #storage: Storage;
  readonly #id: string;
  readonly #beforeCreate: () => void;
  #inner: PartitionStore | undefined;
  #opening: Promise<PartitionStore | undefined> | undefined;
  #closed = false;

  /** @param beforeCreate throws when the store must not be made now */
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

  /** Opens the store if it exists; true when it does. */
  async open(create = false): Promise<boolean> {
    if (this.#inner !== undefined) return true;
    // One opening at a time; a creating one may follow one that found nothing.
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
    // There is nothing to open again in a store that could not be made.
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
    // Where others may create it, look again; where not, this process would know.
    if (this.#inner === undefined && this.#storage.shared) await this.open();
    return this.#inner;
  }
}
