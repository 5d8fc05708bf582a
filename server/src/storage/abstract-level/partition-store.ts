import type { ServerError } from "../../errors.ts";
import type { CommitBatch, CommitResult, PartitionStore, Row, ScanOptions } from "../port.ts";
import type { Database } from "./database.ts";
import { limits } from "./limits.ts";
import { OpenOperations } from "./open-operations.ts";
import { partitionNames } from "./partition-names.ts";
import { readStored } from "./read-stored.ts";
import { scanPages } from "./scan.ts";
import { afterPartition, partitionPrefix, storedKey } from "./stored-key.ts";
import { readVersion, valueBytes } from "./stored-value.ts";
import { isReadableAfter, type WriteQueue } from "./write-queue.ts";

/** What the owner of a database does when a handle on it ends. */
export interface DatabaseOwner {
  /** The handle was closed: nothing of it is in flight any more. */
  release(): Promise<void>;
  /** As `release`, and everything in the database is to disappear. */
  remove(): Promise<void>;
  /** Where several handles share a database. @throws StoreDeletedError once one of them has removed it */
  assertPresent?(): void;
  /** @throws DISK_FULL while no append should be made */
  assertRoom?(): void;
  /** Whether the database could be opened again after a write that failed so. Default: yes. */
  canReopen?(failure: ServerError): boolean;
  /** Gives the room of deleted rows back, where it is scarce. */
  compact?(from: Buffer, to: Buffer): Promise<void>;
}

/** A PartitionStore on an abstract-level database; see stored-key.ts and stored-value.ts for what it stores. */
export class AbstractLevelPartitionStore implements PartitionStore {
  readonly limits = limits;
  readonly #database: Database;
  readonly #commits: WriteQueue;
  readonly #owner: DatabaseOwner;
  readonly #operations = new OpenOperations();
  #closing: Promise<void> | undefined;

  /** @param commits the one committer of the database, shared by all handles on it. */
  constructor(database: Database, commits: WriteQueue, owner: DatabaseOwner) {
    this.#database = database;
    this.#commits = commits;
    this.#owner = owner;
  }

  async get(partition: string, key: Uint8Array): Promise<Row | undefined> {
    const [row] = await this.getMany(partition, [key]);
    return row;
  }

  async getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]> {
    this.#assertReadable();
    const prefix = partitionPrefix(partition);
    const stored = keys.map((key) => storedKey(prefix, key));
    const values = await this.#operations.run(() => readStored(this.#database, stored));
    return values.map((value, index) =>
      value === undefined ? undefined : { key: keys[index]!, value: valueBytes(value), version: readVersion(value) },
    );
  }

  async *scan(partition: string, options: ScanOptions): AsyncGenerator<readonly Row[]> {
    this.#assertReadable();
    yield* scanPages(this.#database, this.#operations, partition, options);
  }

  async commit(partition: string, batch: CommitBatch): Promise<CommitResult> {
    this.#assertReadable();
    this.#commits.assertUsable();
    return this.#operations.run(() => this.#commits.commit(partition, batch));
  }

  async partitions(options: { prefix: string; after?: string; limit: number }): Promise<string[]> {
    this.#assertReadable();
    return this.#operations.run(() => partitionNames(this.#database, options));
  }

  drop(): Promise<void> {
    return this.#end(() => this.#owner.remove());
  }

  close(): Promise<void> {
    return this.#end(() => this.#owner.release());
  }

  assertRoom(): void {
    // Opened again, the store can make room: with what trims have removed.
    if (this.#commits.failure !== undefined && !this.readsOnly()) this.#commits.assertUsable();
    this.#owner.assertRoom?.();
  }

  readsOnly(): boolean {
    const { failure } = this.#commits;
    return failure !== undefined && isReadableAfter(failure) && this.#owner.canReopen?.(failure) === false;
  }

  async compact(partition: string): Promise<void> {
    const { compact } = this.#owner;
    if (compact === undefined || this.#commits.failure !== undefined) return;
    const prefix = partitionPrefix(partition);
    await this.#operations.run(() => compact(prefix, afterPartition(prefix.subarray(0, -1))));
  }

  #assertReadable(): void {
    this.#operations.assertOpen();
    this.#owner.assertPresent?.();
    this.#commits.assertReadable();
  }

  #end(finish: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#operations.close().then(finish);
    return this.#closing;
  }
}
