import { ErrorReason } from "@streamkit/protocol";
import { NotTriedError, type StoreDeletedError, StreamkitError } from "../errors.ts";
import type { Storage } from "../storage/port.ts";
import { StoreNode, type StoreNodeOptions } from "./store-node.ts";

export interface NodeManagerOptions extends StoreNodeOptions {
  /** Most stores open at once. */
  readonly maxOpenStores: number;
  /** A store that nobody used for this long is closed, in milliseconds. */
  readonly idleMillis: number;
}

/** A hold on an open store; the store stays open until it is disposed. */
export interface StoreLease extends Disposable {
  readonly node: StoreNode;
}

interface Entry {
  readonly node: StoreNode;
  readonly opened: Promise<void>;
  holders: number;
  lastUsed: number;
}

interface Failure {
  readonly error: unknown;
  readonly count: number;
  readonly until: number;
}

const MIN_BACKOFF_MILLIS = 500;
const MAX_BACKOFF_MILLIS = 30_000;

/**
 * Opens stores when they are used and closes them when they are not.
 *
 * - One opening per store at a time, and none waits for another store's.
 * - Every call and every live stream holds its store, so eviction never closes a store under a reader.
 * - A store that fails to open is not tried again until a growing pause is over (circuit breaker).
 */
export class NodeManager {
  readonly #storage: Storage;
  readonly #options: NodeManagerOptions;
  readonly #entries = new Map<string, Entry>();
  /** Stores being closed or deleted; whoever wants one waits for that. */
  readonly #closing = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, Failure>();
  readonly #sweep: NodeJS.Timeout;
  #shutdown: StreamkitError | undefined;

  constructor(storage: Storage, options: NodeManagerOptions) {
    this.#storage = storage;
    this.#options = options;
    this.#sweep = setInterval(() => this.evictIdle(), Math.max(10, options.idleMillis / 4));
    this.#sweep.unref();
  }

  /** Number of stores in memory. */
  get openStores(): number {
    return this.#entries.size;
  }

  /**
   * Holds a store, opening it first when it exists and is not open. A store that does not exist is held as well: it is empty,
   * and comes into being with its first commit.
   *
   * @param id a UUID in lower case
   * @throws StreamkitError SHUTTING_DOWN, OVERLOADED, and what opening failed with
   */
  async acquire(id: string): Promise<StoreLease> {
    for (;;) {
      if (this.#shutdown !== undefined) throw this.#shutdown;
      const closing = this.#closing.get(id);
      if (closing === undefined) break;
      await closing;
    }
    this.#checkBreaker(id);
    const entry = this.#entries.get(id) ?? this.#open(id);
    entry.holders++;
    try {
      await entry.opened;
    } catch (error) {
      entry.holders--;
      throw error;
    }
    let held = true;
    return {
      node: entry.node,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        entry.holders--;
        entry.lastUsed = performance.now();
      },
    };
  }

  /** Deletes a store; its streams end with NOT_FOUND. */
  async delete(id: string): Promise<void> {
    using lease = await this.acquire(id);
    await this.#retire(id, lease.node, () => lease.node.delete());
  }

  /** Closes a store whose storage failed; the next call opens it again. */
  recycle(id: string, node: StoreNode, cause: unknown): void {
    if (this.#entries.get(id)?.node !== node) return;
    const reason = new StreamkitError(
      ErrorReason.STORAGE_UNAVAILABLE,
      "the storage of this store failed and is opened again",
      {
        retryAfterMillis: MIN_BACKOFF_MILLIS,
        cause,
      },
    );
    this.#retireInBackground(id, node, reason);
  }

  /** Takes a store out of use that another instance has deleted: its streams end with NOT_FOUND, later calls find it empty. */
  forget(id: string, node: StoreNode, deleted: StoreDeletedError): void {
    if (this.#entries.get(id)?.node === node) this.#retireInBackground(id, node, deleted);
  }

  /** Lets stores that failed to open be tried again at once. */
  forgetFailures(): void {
    this.#failures.clear();
  }

  /** Closes stores that nobody holds and nobody used lately. */
  evictIdle(): void {
    const oldest = performance.now() - this.#options.idleMillis;
    for (const [id, entry] of this.#entries) {
      if (entry.holders === 0 && entry.lastUsed <= oldest) this.#evict(id, entry);
    }
  }

  /** Ends everything. Live streams end with SHUTTING_DOWN; commits in flight finish. */
  async close(): Promise<void> {
    this.#shutdown ??= new StreamkitError(ErrorReason.SHUTTING_DOWN, "the server is shutting down", {
      retryAfterMillis: 1_000,
    });
    const reason = this.#shutdown;
    clearInterval(this.#sweep);
    for (const [id, { node }] of this.#entries)
      void this.#retire(id, node, () => node.close(reason)).catch(() => undefined);
    await Promise.allSettled(this.#closing.values());
  }

  #open(id: string): Entry {
    if (this.#entries.size >= this.#options.maxOpenStores) this.#makeRoom();
    const node = new StoreNode(this.#storage, id, this.#options, (deleted, error) => this.forget(id, deleted, error));
    const opened = node.open().then(
      () => {
        this.#failures.delete(id);
      },
      (error) => {
        this.#entries.delete(id);
        const count = (this.#failures.get(id)?.count ?? 0) + 1;
        const pause = Math.min(MAX_BACKOFF_MILLIS, MIN_BACKOFF_MILLIS * 2 ** (count - 1));
        this.#failures.set(id, { error, count, until: performance.now() + pause });
        void node.close(error).catch(() => undefined);
        throw error;
      },
    );
    const entry = { node, opened, holders: 0, lastUsed: performance.now() };
    this.#entries.set(id, entry);
    return entry;
  }

  #checkBreaker(id: string): void {
    const failure = this.#failures.get(id);
    if (failure === undefined) return;
    const left = failure.until - performance.now();
    if (left <= 0) return;
    if (!(failure.error instanceof StreamkitError)) throw failure.error;
    const { reason, message, facts } = failure.error;
    throw new NotTriedError(reason, message, { ...facts, retryAfterMillis: Math.ceil(left), cause: failure.error });
  }

  #makeRoom(): void {
    let oldest: [string, Entry] | undefined;
    for (const item of this.#entries) {
      if (item[1].holders === 0 && (oldest === undefined || item[1].lastUsed < oldest[1].lastUsed)) oldest = item;
    }
    if (oldest === undefined) {
      const message = `all ${this.#options.maxOpenStores} stores that this server may hold open are in use`;
      throw new StreamkitError(ErrorReason.OVERLOADED, message, { retryAfterMillis: 1_000 });
    }
    this.#evict(...oldest);
  }

  #evict(id: string, entry: Entry): void {
    const reason = new StreamkitError(ErrorReason.STORAGE_UNAVAILABLE, "the store was closed because nobody used it");
    this.#retireInBackground(id, entry.node, reason);
  }

  #retireInBackground(id: string, node: StoreNode, reason: StreamkitError): void {
    this.#retire(id, node, () => node.close(reason)).catch((error) =>
      this.#options.events.failure(error, "closing a store", id, "background-failed"),
    );
  }

  /** Takes a store out of use, then ends it; a later acquire waits for that. */
  #retire(id: string, node: StoreNode, end: () => Promise<void>): Promise<void> {
    const running = this.#closing.get(id);
    if (running !== undefined) return running;
    if (this.#entries.get(id)?.node === node) this.#entries.delete(id);
    const ending = end().finally(() => this.#closing.delete(id));
    this.#closing.set(id, ending);
    return ending;
  }
}
