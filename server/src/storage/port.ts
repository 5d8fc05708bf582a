/**
 * The Partition port: all that the engine wants from a storage backend.
 *
 * A backend is an ordered, partitioned key-value store with an atomic conditional batch, and nothing else. It knows
 * nothing about segments or entries. Every backend passes the contract suite in `contract/`.
 *
 * Keys are 1 to 512 bytes, compared byte by byte, unsigned. Partition names are non-empty strings without U+0000, at
 * most 300 bytes of UTF-8, compared by their UTF-8 bytes. All failures are `ServerError`s: STORAGE_UNAVAILABLE (for
 * `commit`: the outcome is unknown), DISK_FULL (likewise), DATA_LOSS; and, where several processes share stores,
 * StoreDeletedError once another one has deleted the store (for `commit`: nothing was written).
 */

/** The state of a row, as far as conditions are concerned: changes with every write of the row. Compared with ===. */
export type RowVersion = string | number;

/** A stored row. The buffers belong to the reader, which may keep them; nobody writes to them. */
export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: RowVersion;
}

/** Half-open key range: gte <= key < lt. */
export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

export interface ScanOptions extends KeyRange {
  /** Most rows wanted. Default: all. */
  readonly limit?: number;
  /** Asks for pages of about this many bytes; a page has at least one row. Default: the backend's choice. */
  readonly pageBytes?: number;
}

/** "This row has this version", or, with `null`, "there is no such row". */
export interface Condition {
  readonly key: Uint8Array;
  readonly version: RowVersion | null;
  /**
   * Whoever has a condition on this row writes it in the same commit; so a backend for which a condition is a kind of
   * write can tell that it is broken without reading the row. Default: false.
   */
  readonly alwaysWritten?: boolean;
}

export interface Put {
  readonly key: Uint8Array;
  /** The value in pieces, joined in order; saves the engine a copy. */
  readonly value: readonly Uint8Array[];
}

/** One atomic change of one partition. A key occurs at most once among puts and deletes. */
export interface CommitBatch {
  readonly conditions: readonly Condition[];
  readonly puts: readonly Put[];
  readonly deletes: readonly Uint8Array[];
}

/** What became of a commit whose outcome is known. */
export type CommitResult =
  /** Everything was written and is durable. `versions[i]` is the new version of the row of `puts[i]`. */
  | { readonly committed: true; readonly versions: readonly RowVersion[] }
  /** At least one condition did not hold, and nothing was written. */
  | { readonly committed: false };

/** What a backend can take in one commit. The engine stays within. */
export interface StorageLimits {
  /** Puts, deletes and condition-only rows together. */
  readonly maxOperations: number;
  /** Keys and values of all operations together, in bytes. */
  readonly maxBatchBytes: number;
  /** One value, in bytes. At least 1 MiB + 64 KiB. */
  readonly maxValueBytes: number;
  /**
   * From this size in bytes on, a batch is stored once, in its segment, and the space log refers to it; smaller ones
   * are stored in both. `Infinity` where an extra read costs more than an extra copy.
   */
  readonly referenceThresholdBytes: number;
}

/** One open store: many partitions. Safe for concurrent use. */
export interface PartitionStore {
  readonly limits: StorageLimits;

  /** Reads one row; `undefined` when there is none. */
  get(partition: string, key: Uint8Array): Promise<Row | undefined>;

  /** Reads several rows; `result[i]` belongs to `keys[i]`. Not a snapshot. */
  getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]>;

  /**
   * Reads a range in key order, in pages. Each row is read as it was at some moment during the scan. Ending the
   * iteration early frees what it holds.
   */
  scan(partition: string, options: ScanOptions): AsyncIterable<readonly Row[]>;

  /** Checks the conditions and writes everything, or writes nothing. Durable when it returns. */
  commit(partition: string, batch: CommitBatch): Promise<CommitResult>;

  /** Names of partitions that have rows, in byte order: those that start with `prefix` and come after `after`. */
  partitions(options: { prefix: string; after?: string; limit: number }): Promise<string[]>;

  /**
   * Called before an append, which is refused when it throws, as nothing was written. Commits that remove rows, or
   * overwrite few, are made all the same. For a backend that keeps some room for them.
   *
   * @throws NoRoomError
   */
  assertRoom?(): void;

  /**
   * After a failed commit: whether this handle serves reads, as opening the store again would fail now. When it returns
   * false, and without it, the store is closed after a failed commit and opened again.
   */
  readsOnly?(): boolean;

  /** Called when many rows of a partition were deleted: a backend that is short of room gives theirs back. */
  compact?(partition: string): Promise<void>;

  /** Deletes the store with everything in it, and closes it. */
  drop(): Promise<void>;

  /** Releases the store. Operations in flight finish first; later ones fail. Idempotent. */
  close(): Promise<void>;
}

/** A place that holds stores: a folder, an account, the memory of this process. */
export interface Storage {
  /** Kind of storage, as GetServerInfo reports it. */
  readonly kind: string;
  /** Where the data lives, for people to read; without secrets. */
  readonly location: string;
  /** True when other processes may write the same stores, so that nothing cached may be taken for the latest. */
  readonly shared: boolean;

  /**
   * Opens a store. `create: false` returns `undefined` for a store that does not exist, and creates nothing. A store
   * that another process holds fails with STORAGE_UNAVAILABLE.
   */
  open(storeId: string, options: { create: boolean }): Promise<PartitionStore | undefined>;

  /** Ids of the stores that exist, in byte order, those after `after`. */
  list(options: { after?: string; limit: number }): Promise<string[]>;

  /**
   * Deletes a store that this process does not have open, without opening it, so that damage or a full disk are no
   * obstacle. Does nothing when there is none. Without it, a store is opened to be deleted.
   *
   * @throws STORAGE_UNAVAILABLE when another process has the store open
   */
  drop?(storeId: string): Promise<void>;

  /**
   * Checks, at the cost of a small write or request, that the storage can be read and written. Called at the start of a
   * server and every few seconds. Without it, only calls tell whether the storage works.
   *
   * @param options `create`: make what is missing; otherwise a place that nothing was stored in yet is as it should be
   * @throws StorageUnusableError when nothing but an operator can mend it, any other ServerError when it may pass
   */
  probe?(options: { create: boolean }): Promise<void>;

  /** Releases what the storage itself holds. Stores are closed by who opened them. */
  close(): Promise<void>;
}
