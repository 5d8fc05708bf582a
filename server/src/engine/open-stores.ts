import { ErrorReason } from "@streamkit/protocol";
import { ServerError, type StoreDeletedError } from "../errors.ts";
import type { Storage } from "../storage/port.ts";
import { MIN_PAUSE_MILLIS, OpenFailures } from "./open-failures.ts";
import { OpenStore, type OpenStoreOptions } from "./open-store.ts";

export interface OpenStoresOptions extends OpenStoreOptions {
  /** Most stores that exist open at once; and as many again that do not exist, whose followers wait for them. */
  readonly maxOpenStores: number;
  /** A store that nobody used for this long is closed, in milliseconds. */
  readonly idleMillis: number;
}

/** A hold on an open store; the store stays open until it is disposed. */
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
 * Opens stores when they are used and closes them when they are not.
 *
 * - One opening per store at a time, and none waits for another store's.
 * - Every call and every live stream holds its store, so eviction never closes a store under a reader.
 * - A store that fails to open is not tried again until a growing pause is over (circuit breaker).
 * - A store that does not exist takes no place of one that does, and is let go with its last holder.
 */
export class OpenStores {
  readonly #storage: Storage;
  readonly #options: OpenStoresOptions;
  readonly #entries = new Map<string, Entry>();
  /** Stores being closed or deleted; whoever wants one waits for that. */
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

  /** Number of stores whose failure to open is remembered. */
  get rememberedFailures(): number {
    return this.#failures.size;
  }

  /**
   * Holds a store, opening it first when it exists and is not open. A store that does not exist is held as well: it is
   * empty, and comes into being with its first commit.
   *
   * @param id a UUID in lower case
   * @throws ServerError SHUTTING_DOWN, OVERLOADED, and what opening failed with
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
   * Deletes a store; its streams end with NOT_FOUND. A store that is not open is not opened for it, where the storage
   * can do without: so a store that is damaged, or on a full disk, can be deleted.
   */
  async delete(id: string): Promise<void> {
    const { drop } = this.#storage;
    if (drop === undefined) {
      using hold = await this.acquire(id);
      await this.#retire(id, hold.store, () => hold.store.delete());
      return;
    }
    await this.#whenClosed(id);
    // One that is being opened: either way it ends, there is one thing to do.
    await this.#entries.get(id)?.opened.catch(() => undefined);
    const store = this.#entries.get(id)?.store;
    await this.#retire(id, store, () => store?.delete() ?? drop.call(this.#storage, id));
    this.#failures.forget(id);
  }

  /** Closes a store whose storage failed; the next call opens it again. */
  recycle(id: string, store: OpenStore, cause: unknown): void {
    if (this.#entries.get(id)?.store !== store) return;
    const reason = new ServerError(
      ErrorReason.STORAGE_UNAVAILABLE,
      "the storage of this store failed and is opened again",
      {
        retryAfterMillis: MIN_PAUSE_MILLIS,
        cause,
      },
    );
    this.#retireInBackground(id, store, reason);
  }

  /**
   * Takes a store out of use that another instance has deleted: its streams end with NOT_FOUND, later calls find it
   * empty.
   */
  forget(id: string, store: OpenStore, deleted: StoreDeletedError): void {
    if (this.#entries.get(id)?.store === store) this.#retireInBackground(id, store, deleted);
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

  /** Waits until a store that is being closed or deleted is. @throws ServerError SHUTTING_DOWN */
  async #whenClosed(id: string): Promise<void> {
    for (;;) {
      if (this.#shutdown !== undefined) throw this.#shutdown;
      const closing = this.#closing.get(id);
      if (closing === undefined) return;
      // Whether that went well is for its own caller.
      await closing.catch(() => undefined);
    }
  }

  /**
   * Makes room for one more store that exists, by closing those that nobody holds, oldest first.
   *
   * @param self a store that is among those counted, and stays
   * @throws ServerError OVERLOADED
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

  /** Bounds the stores in memory that do not exist, or are not known to. @throws ServerError OVERLOADED */
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

  /** Takes a store out of use, then ends it; a later acquire waits for that. */
  #retire(id: string, store: OpenStore | undefined, end: () => Promise<void>): Promise<void> {
    const running = this.#closing.get(id);
    if (running !== undefined) return running;
    if (store !== undefined && this.#entries.get(id)?.store === store) this.#entries.delete(id);
    const ending = end().finally(() => this.#closing.delete(id));
    this.#closing.set(id, ending);
    return ending;
  }
}
