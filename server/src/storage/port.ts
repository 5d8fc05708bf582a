/**
 * The Partition port: everything that the engine needs from a storage backend.
 *
 * A backend is an ordered, partitioned key-value store with an atomic conditional batch, and nothing else. It knows
 * nothing about segments or entries. Every backend passes the contract suite in `contract/`.
 *
 * Keys are 1 to 512 bytes, compared byte by byte, unsigned. Partition names are non-empty strings without U+0000, at
 * most 300 bytes of UTF-8, compared by their UTF-8 bytes. All failures are `ServerError`s: STORAGE_UNAVAILABLE and
 * DISK_FULL (for `commit`: the outcome is unknown), and DATA_LOSS. Where several processes share stores,
 * StoreDeletedError reports that another process deleted the store (for `commit`: nothing was written).
 */

/** The state of a row, for conditions. Every write of the row changes its version. Compared with ===. */
export type RowVersion = string | number;

/** A stored row. The buffers belong to the reader, which may keep them; no other code writes to them. */
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
  /** Maximum number of rows. Default: all. */
  readonly limit?: number;
  /** Asks for pages of about this many bytes; a page has at least one row. Default: the backend's choice. */
  readonly pageBytes?: number;
}

/** "This row has this version", or, with `null`, "this row does not exist". */
export interface Condition {
  readonly key: Uint8Array;
  readonly version: RowVersion | null;
  /**
   * Every commit with a condition on this row also writes it, so a backend can report a conflict without reading the
   * row. Default: false.
   */
  readonly alwaysWritten?: boolean;
}

export interface Put {
  readonly key: Uint8Array;
  /** The value in pieces, which the backend joins in order; saves the engine a copy. */
  readonly value: readonly Uint8Array[];
}

/** One atomic change of one partition. A key occurs at most once among puts and deletes. */
export interface CommitBatch {
  readonly conditions: readonly Condition[];
  readonly puts: readonly Put[];
  readonly deletes: readonly Uint8Array[];
}

/** The outcome of a commit, if it is known. */
export type CommitResult =
  /** Everything was written and is durable. `versions[i]` is the new version of the row of `puts[i]`. */
  | { readonly committed: true; readonly versions: readonly RowVersion[] }
  /** At least one condition did not hold, and nothing was written. */
  | { readonly committed: false };

/** Limits of one commit. The engine stays within them. */
export interface StorageLimits {
  /** Puts, deletes and condition-only rows together. */
  readonly maxOperations: number;
  /** Keys and values of all operations together, in bytes. */
  readonly maxBatchBytes: number;
  /** One value, in bytes. At least 1 MiB + 64 KiB. */
  readonly maxValueBytes: number;
  /**
   * Batches of at least this many bytes are stored once, in their segment, and the space log refers to them. Smaller
   * batches are stored in both. `Infinity` where an extra read costs more than an extra copy.
   */
  readonly referenceThresholdBytes: number;
}

/** One open store: many partitions. Safe for concurrent use. */
export interface PartitionStore {
  readonly limits: StorageLimits;

  /** Reads one row; `undefined` if it does not exist. */
  get(partition: string, key: Uint8Array): Promise<Row | undefined>;

  /** Reads several rows; `result[i]` belongs to `keys[i]`. Not a snapshot. */
  getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]>;

  /**
   * Reads a range in key order, in pages. Each row is as it was at some moment during the scan. Ending the iteration
   * early frees the resources of the scan.
   */
  scan(partition: string, options: ScanOptions): AsyncIterable<readonly Row[]>;

  /** Checks the conditions and writes everything, or writes nothing. Returns once the outcome is durable. */
  commit(partition: string, batch: CommitBatch): Promise<CommitResult>;

  /** Names of the partitions that have rows, in byte order: names that start with `prefix` and come after `after`. */
  partitions(options: { prefix: string; after?: string; limit: number }): Promise<string[]>;

  /**
   * The engine calls this before an append. If it throws, the engine refuses the append and has written nothing.
   * Commits that remove rows, or overwrite a few, are made without this call. For backends that keep some room for such
   * commits.
   *
   * @throws NoRoomError
   */
  assertRoom?(): void;

  /**
   * The engine calls this after a failed commit. True: this handle serves reads, and opening the store again would fail
   * now. False: the engine closes the store and opens it again, as it does for a backend without this method.
   */
  readsOnly?(): boolean;

  /**
   * The engine calls this after it deleted many rows of a partition. A backend that is short of room then frees their
   * space.
   */
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
  /** Where the data lives, for people to read. Contains no secrets. */
  readonly location: string;
  /** True when other processes may write the same stores, so that cached state may be out of date. */
  readonly shared: boolean;

  /**
   * Opens a store. With `create: false` it creates nothing, and returns `undefined` if the store does not exist.
   * Opening a store that another process holds fails with STORAGE_UNAVAILABLE.
   */
  open(storeId: string, options: { create: boolean }): Promise<PartitionStore | undefined>;

  /** Ids of the existing stores after `after`, in byte order. */
  list(options: { after?: string; limit: number }): Promise<string[]>;

  /**
   * Deletes a store that this process does not have open. The call does not open the store, so damage or a full disk is
   * no obstacle. Does nothing if the store does not exist. Without this method, the engine opens a store to delete it.
   *
   * @throws STORAGE_UNAVAILABLE if another process has the store open
   */
  drop?(storeId: string): Promise<void>;

  /**
   * Checks that the storage can be read and written, at the cost of a small write or request. The server calls this at
   * its start and every few seconds. Without this method, only calls show whether the storage works.
   *
   * @param options `create: true` makes missing parts. With `create: false`, a place that has never held data is in
   *   order
   * @throws StorageUnusableError if only an operator can repair the storage
   * @throws ServerError, any other, if the failure may pass
   */
  probe?(options: { create: boolean }): Promise<void>;

  /**
   * Releases the resources of the storage itself. Each store is closed by the code that opened it. Calls in progress
   * end first: once this resolves, the backend touches its files no more, and another process may use or remove them.
   */
  close(): Promise<void>;
}
