import { ErrorReason } from "@streamkit/protocol";
import type { AbstractBatchOptions } from "abstract-level";
import { ServerError } from "../../errors.ts";
import type { CommitBatch, CommitResult, RowVersion } from "../port.ts";
import { systemCode } from "../system-error.ts";
import type { Database, Operation } from "./database.ts";
import { ABSENT, identityOf, RowVersions } from "./row-versions.ts";
import { storageError } from "./storage-error.ts";
import { partitionPrefix, storedKey } from "./stored-key.ts";
import { storedValue } from "./stored-value.ts";
import type { VersionCounter } from "./version-counter.ts";

/** Most bytes of commits merged into one write, unless a single commit is larger. */
const GROUP_BYTES = 8 * 1024 * 1024;

interface PendingCommit {
  readonly prefix: Uint8Array;
  readonly conditions: readonly { readonly key: Buffer; readonly identity: string; readonly version: RowVersion }[];
  readonly batch: CommitBatch;
  readonly bytes: number;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: ServerError) => void;
}

/** Tells the owner of a database about its writes. */
export interface WriteWatch {
  /** Called before a write of about this many bytes. */
  writing(bytes: number): void;
  /**
   * Called after the write, before it is acknowledged.
   *
   * @throws if later opens will not find the written data
   */
  written(): void;
  failed(failure: ServerError): void;
}

const NOBODY: WriteWatch = { writing: () => {}, written: () => {}, failed: () => {} };

/**
 * Writes the commits of all partitions of a database, one batch at a time.
 *
 * While a batch is being written, arriving commits gather and form the next batch, up to `GROUP_BYTES`. A batch costs
 * one fsync for any number of commits. Conditions are checked in order of arrival; each commit sees the commits before
 * it.
 */
export class WriteQueue {
  readonly #database: Database;
  readonly #counter: VersionCounter;
  readonly #versions: RowVersions;
  readonly #watch: WriteWatch;
  #queue: PendingCommit[] = [];
  #writing = false;
  #failure: ServerError | undefined;

  constructor(database: Database, counter: VersionCounter, watch: WriteWatch = NOBODY) {
    this.#database = database;
    this.#counter = counter;
    this.#watch = watch;
    this.#versions = new RowVersions(database);
  }

  /** The failure of a write. The content of the disk is then unknown until the store is reopened. */
  get failure(): ServerError | undefined {
    return this.#failure;
  }

  /** @throws the failure of an earlier write, after which no commit is possible */
  assertUsable(): void {
    if (this.#failure !== undefined) throw stopped(this.#failure);
  }

  /** @throws the failure of an earlier write, if reads are impossible after it */
  assertReadable(): void {
    if (this.#failure !== undefined && !isReadableAfter(this.#failure)) this.assertUsable();
  }

  /** Gives the memory of cached versions back. Later commits read the versions that they need. */
  forgetVersions(): void {
    this.#versions.clear();
  }

  /** Resolves once the outcome is durable. */
  commit(partition: string, batch: CommitBatch): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      const prefix = partitionPrefix(partition);
      const conditions = batch.conditions.map(({ key, version }) => {
        const stored = storedKey(prefix, key);
        return { key: stored, identity: identityOf(stored), version: version ?? ABSENT };
      });
      this.#queue.push({ prefix, conditions, batch, bytes: bytesOf(batch), resolve, reject });
      if (!this.#writing) {
        this.#writing = true;
        // Wait for one microtask, so that commits of the same turn share the first batch.
        queueMicrotask(() => this.#drain());
      }
    });
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        if (this.#failure !== undefined) throw stopped(this.#failure);
        const results = await this.#write(group);
        for (const [index, pending] of group.entries()) pending.resolve(results[index]);
      } catch (error) {
        const failure = storageError(error);
        for (const pending of group) pending.reject(failure);
      }
    }
    this.#writing = false;
  }

  #takeGroup(): PendingCommit[] {
    let count = 0;
    for (let bytes = 0; count < this.#queue.length; count++) {
      bytes += this.#queue[count].bytes;
      if (count > 0 && bytes > GROUP_BYTES) break;
    }
    const group = this.#queue;
    this.#queue = group.splice(count);
    return group;
  }

  async #write(group: readonly PendingCommit[]): Promise<CommitResult[]> {
    const versions = await this.#versions.load(conditionKeys(group));
    const operations: Operation[] = [];
    const results = group.map((pending) => this.#apply(pending, versions, operations));
    if (operations.length > 0) {
      try {
        this.#watch.writing(group.reduce((sum, { bytes }) => sum + bytes, 0));
        await this.#database.batch(operations, durable);
        this.#watch.written();
      } catch (error) {
        this.#failure = storageError(error);
        this.#watch.failed(this.#failure);
        throw this.#failure;
      }
    }
    // A conflict is answered only now, too: its caller can then read the row that caused it.
    this.#versions.store(versions);
    return results;
  }

  /** Checks the conditions of one commit against the rows as the commits before it leave them, and adds its writes. */
  #apply(pending: PendingCommit, versions: Map<string, number>, operations: Operation[]): CommitResult {
    for (const { identity, version } of pending.conditions) {
      if (versions.get(identity) !== version) return { committed: false };
    }
    const { prefix, batch } = pending;
    const version = this.#counter.next(operations);
    for (const put of batch.puts) {
      const key = storedKey(prefix, put.key);
      this.#record(versions, key, version);
      operations.push({ type: "put", key, value: storedValue(version, put.value) });
    }
    for (const deleted of batch.deletes) {
      const key = storedKey(prefix, deleted);
      this.#record(versions, key, ABSENT);
      operations.push({ type: "del", key });
    }
    return { committed: true, versions: new Array<number>(batch.puts.length).fill(version) };
  }

  #record(versions: Map<string, number>, key: Buffer, version: number): void {
    const identity = identityOf(key);
    if (versions.has(identity)) versions.set(identity, version);
    else this.#versions.forget(identity);
  }
}

/** classic-level reads `sync`; other databases ignore it or are durable at once. */
const durable: AbstractBatchOptions<Uint8Array, Uint8Array> & { sync: boolean } = { sync: true };

function conditionKeys(group: readonly PendingCommit[]): Map<string, Buffer> {
  return new Map(group.flatMap(({ conditions }) => conditions.map(({ identity, key }) => [identity, key])));
}

function bytesOf(batch: CommitBatch): number {
  let bytes = 0;
  for (const put of batch.puts) {
    bytes += put.key.length;
    for (const piece of put.value) bytes += piece.length;
  }
  return bytes;
}

/**
 * True if reads continue after a failed write: the volume was full or has become read-only. Reads then see the commits
 * before the failed write. The commits of the failed write are in doubt; none was acknowledged.
 */
export function isReadableAfter(failure: ServerError): boolean {
  return failure.reason === ErrorReason.DISK_FULL || systemCode(failure) === "EROFS";
}

function stopped(failure: ServerError): ServerError {
  return new ServerError(failure.reason, "an earlier write failed; the store must be reopened", {
    cause: failure,
    retryAfterMillis: 1_000,
  });
}
