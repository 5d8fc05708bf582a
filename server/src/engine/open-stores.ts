import { ErrorReason } from "@streamkit/protocol";
import { ServerError, type StoreDeletedError } from "../errors.ts";
import type { Storage } from "../storage/port.ts";
import { MIN_PAUSE_MILLIS, OpenFailures } from "./open-failures.ts";
import { OpenStore, type OpenStoreOptions } from "./open-store.ts";

/** Options of all open stores of a server. */
export interface OpenStoresOptions extends OpenStoreOptions {
  /**
   * Most existing stores that are open at the same time. As many stores that do not exist may be held too, by followers
   * that wait for them.
   */
  readonly maxOpenStores: number;
  /** The server closes a store that was not used for this long, in milliseconds. */
  readonly idleMillis: number;
}

/** A hold on an open store. The store stays open until the hold is disposed. */
export interface StoreHold extends Disposable {
  readonly store: OpenStore;
}

interface Entry {
  readonly store: OpenStore;
  readonly opened: Promise<void>;
  holders: number;
  lastUsed: number;
}

/**
 * Opens stores when they are used and closes them when they are idle.
 *
 * - Each store is opened once at a time, and no opening waits for another store.
 * - Every call and every live stream holds its store, so eviction never closes a store that is in use.
 * - After a store failed to open, the server waits for a growing pause before it tries again (circuit breaker).
 * - A store that does not exist takes no place of an existing one. Its last holder removes it.
 */
export class OpenStores {
  readonly #storage: Storage;
  readonly #options: OpenStoresOptions;
  readonly #entries = new Map<string, Entry>();
  /** Stores that are being closed or deleted. `acquire` waits for the end of that. */
  readonly #closing = new Map<string, Promise<void>>();
  readonly #failures = new OpenFailures();
  readonly #sweep: NodeJS.Timeout;
  #shutdown: ServerError | undefined;

  constructor(storage: Storage, options: OpenStoresOptions) {
    this.#storage = storage;
    this.#options = options;
    this.#sweep = setInterval(() => this.evictIdle(), Math.max(10, options.idleMillis / 4));
    this.#sweep.unref();
  }

  /** Number of stores in memory. */
  get count(): number {
    return this.#entries.size;
  }

  /** Number of stores with a remembered failure to open. */
  get rememberedFailures(): number {
    return this.#failures.size;
  }

  /**
   * Holds a store, and opens it first if necessary. A store that does not exist can be held too: it is empty, and its
   * first commit creates it.
   *
   * @param id a UUID in lower case
   * @throws ServerError SHUTTING_DOWN, OVERLOADED, or the error of opening the store
   */
  async acquire(id: string): Promise<StoreHold> {
    await this.#whenClosed(id);
    this.#failures.check(id);
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
      store: entry.store,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        entry.holders--;
        entry.lastUsed = performance.now();
        if (entry.holders === 0 && !entry.store.exists && this.#entries.get(id) === entry) this.#evict(id, entry);
      },
    };
  }

  /**
   * Deletes a store. Its streams end with NOT_FOUND. If the storage can delete a store without opening it, a damaged
   * store or one on a full disk can be deleted too.
   */
  async delete(id: string): Promise<void> {
    const { drop } = this.#storage;
    if (drop === undefined) {
      using hold = await this.acquire(id);
      await this.#retire(id, hold.store, () => hold.store.delete());
      return;
    }
    await this.#whenClosed(id);
    // Wait for an opening in progress, whether it succeeds or fails.
    await this.#entries.get(id)?.opened.catch(() => undefined);
    const store = this.#entries.get(id)?.store;
    await this.#retire(id, store, () => store?.delete() ?? drop.call(this.#storage, id));
    this.#failures.forget(id);
  }

  /** Closes a store after a failure of its storage. The next call opens it again. */
  recycle(id: string, store: OpenStore, cause: unknown): void {
    if (this.#entries.get(id)?.store !== store) return;
    const reason = new ServerError(
      ErrorReason.STORAGE_UNAVAILABLE,
      "the storage of this store failed and the server opens it again",
      {
        retryAfterMillis: MIN_PAUSE_MILLIS,
        cause,
      },
    );
    this.#retireInBackground(id, store, reason);
  }

  /** Closes a store that another instance has deleted. Its streams end with NOT_FOUND; later calls find it empty. */
  forget(id: string, store: OpenStore, deleted: StoreDeletedError): void {
    if (this.#entries.get(id)?.store === store) this.#retireInBackground(id, store, deleted);
  }

  /** Forgets all failures to open. The next calls try those stores at once. */
  forgetFailures(): void {
    this.#failures.clear();
  }

  /** Closes stores without holders that were not used for `idleMillis`. */
  evictIdle(): void {
    const oldest = performance.now() - this.#options.idleMillis;
    for (const [id, entry] of this.#entries) {
      if (entry.holders === 0 && entry.lastUsed <= oldest) this.#evict(id, entry);
    }
  }

  /** Closes all stores. Live streams end with SHUTTING_DOWN; commits in flight finish. */
  async close(): Promise<void> {
    this.#shutdown ??= new ServerError(ErrorReason.SHUTTING_DOWN, "the server is shutting down", {
      retryAfterMillis: 1_000,
    });
    const reason = this.#shutdown;
    clearInterval(this.#sweep);
    for (const [id, { store }] of this.#entries)
      void this.#retire(id, store, () => store.close(reason)).catch(() => undefined);
    await Promise.allSettled(this.#closing.values());
  }

  #open(id: string): Entry {
    this.#admitUnknown();
    const store = new OpenStore(this.#storage, id, this.#options, {
      onDeleted: (deleted, error) => this.forget(id, deleted, error),
      beforeCreate: () => this.#admit(),
    });
    const opened = store.open().then(
      () => {
        this.#failures.forget(id);
        if (store.exists) this.#admitOpened(id, entry);
      },
      (error) => {
        this.#entries.delete(id);
        this.#failures.failed(id, error);
        void store.close(error).catch(() => undefined);
        throw error;
      },
    );
    const entry: Entry = { store, opened, holders: 0, lastUsed: performance.now() };
    this.#entries.set(id, entry);
    return entry;
  }

  /**
   * Waits until a store that is being closed or deleted has ended.
   *
   * @throws ServerError SHUTTING_DOWN
   */
  async #whenClosed(id: string): Promise<void> {
    for (;;) {
      if (this.#shutdown !== undefined) throw this.#shutdown;
      const closing = this.#closing.get(id);
      if (closing === undefined) return;
      // Only the caller that closes the store handles its failure.
      await closing.catch(() => undefined);
    }
  }

  /**
   * Makes room for one more existing store. Closes stores without holders, least recently used first.
   *
   * @param self the store that needs the room, if it is already among the entries; it stays
   * @throws ServerError OVERLOADED if too many stores are in use
   */
  #admit(self?: Entry): void {
    const existing = [...this.#entries].filter(([, entry]) => entry.store.exists && entry !== self);
    const excess = existing.length - this.#options.maxOpenStores + 1;
    if (excess <= 0) return;
    const idle = existing.filter(([, { holders }]) => holders === 0);
    idle.sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
    for (const [id, entry] of idle.slice(0, excess)) this.#evict(id, entry);
    if (idle.length < excess) throw this.#full();
  }

  #admitOpened(id: string, entry: Entry): void {
    try {
      this.#admit(entry);
    } catch (error) {
      this.#evict(id, entry);
      throw error;
    }
  }

  /**
   * Bounds the number of stores in memory that do not exist or are not known to exist.
   *
   * @throws ServerError OVERLOADED
   */
  #admitUnknown(): void {
    let unknown = 0;
    for (const { store } of this.#entries.values()) if (!store.exists) unknown++;
    if (unknown >= this.#options.maxOpenStores) throw this.#full();
  }

  #full(): ServerError {
    const message = `all ${this.#options.maxOpenStores} stores that this server may hold open are in use`;
    return new ServerError(ErrorReason.OVERLOADED, message, { retryAfterMillis: 1_000 });
  }

  #evict(id: string, entry: Entry): void {
    const reason = new ServerError(ErrorReason.STORAGE_UNAVAILABLE, "the store was closed because nobody used it");
    this.#retireInBackground(id, entry.store, reason);
  }

  #retireInBackground(id: string, store: OpenStore, reason: ServerError): void {
    this.#retire(id, store, () => store.close(reason)).catch((error) =>
      this.#options.events.failure(error, "closing a store", id, "background-failed"),
    );
  }

  /** Removes a store from the entries and ends it. A later `acquire` waits for the end. */
  #retire(id: string, store: OpenStore | undefined, end: () => Promise<void>): Promise<void> {
    const running = this.#closing.get(id);
    if (running !== undefined) return running;
    if (store !== undefined && this.#entries.get(id)?.store === store) this.#entries.delete(id);
    const ending = end().finally(() => this.#closing.delete(id));
    this.#closing.set(id, ending);
    return ending;
  }
}
