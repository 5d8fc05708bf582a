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

/** The duties of the owner of a database towards the handles on it. */
export interface DatabaseOwner {
  /** Called once the handle is closed and none of its operations is in flight. */
  release(): Promise<void>;
  /** Like `release`; the owner also deletes the database with everything in it. */
  remove(): Promise<void>;
  /**
   * For a database that can disappear under an open handle.
   *
   * @throws the reason, once the database has disappeared
   */
  assertPresent?(): void;
  /** @throws DISK_FULL while the owner refuses appends */
  assertRoom?(): void;
  /** Returns true if opening the database again would work after a write that failed with `failure`. Default: true. */
  canReopen?(failure: ServerError): boolean;
  /** Frees the disk space of deleted rows, if space is scarce. */
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

  /** @param commits the one write queue of the database, shared by all handles on it. */
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
      value === undefined ? undefined : { key: keys[index], value: valueBytes(value), version: readVersion(value) },
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
    // Reopening the store can free the space of trimmed rows. So the failed write is reported before the lack of room.
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
    this.#closing ??= this.#operations.close().then(() => {
      this.#commits.forgetVersions();
      return finish();
    });
    return this.#closing;
  }
}
