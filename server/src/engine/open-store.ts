import type { Bus } from "../bus/port.ts";
import { type ServerError, StoreDeletedError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { PartitionStore, Storage } from "../storage/port.ts";
import type { Clock } from "./clock.ts";
import { Cursors } from "./coordination/cursors.ts";
import { Leases } from "./coordination/leases.ts";
import { Presence } from "./coordination/presence/presence.ts";
import { LazyStore } from "./lazy-store.ts";
import { type ListedSegment, type ListedSpace, listSegments, listSpaces } from "./listings.ts";
import { Hints } from "./live/hints.ts";
import { Poller } from "./live/poller.ts";
import type { Listed } from "./names.ts";
import { purgeChanges, purgeTransactions } from "./removal/purge.ts";
import { reclaimSpace } from "./removal/reclaim.ts";
import { HEAD_KEY, spacePartition } from "./rows/key-space.ts";
import type { RowCompression } from "./rows/row-frame.ts";
import { SpaceLog } from "./space/space-log.ts";

export interface OpenStoreOptions {
  readonly clock: Clock;
  readonly dedupeWindowMicros: number;
  readonly compression: RowCompression;
  readonly pollMillis: number;
  /** Carries hints between instances that share the storage. Default: none; instances then only poll. */
  readonly bus?: Bus;
  /** Receives failures of background work, which no caller waits for. */
  readonly events: Events;
}

/** Most space logs in memory per store. Idle logs beyond it are dropped; logs in use stay. */
const CACHED_SPACES = 1_024;

/** Callbacks from an open store to its owner. */
export interface OpenStoreOwner {
  /** Called when the store learns that another instance has deleted it. May be called several times. */
  onDeleted(store: OpenStore, error: StoreDeletedError): void;
  /**
   * Called before a store that does not exist is created.
   *
   * @throws ServerError OVERLOADED if there is no room for another store
   */
  beforeCreate(): void;
}

/** One open store: its spaces, its leases, cursors and workers, and the background work of all of them. */
export class OpenStore {
  readonly id: string;
  /** Aborted when the store is closed or deleted. The reason is the error with which streams end. */
  readonly ended = new AbortController();
  readonly leases: Leases;
  readonly cursors: Cursors;
  readonly presence: Presence;
  readonly #storage: Storage;
  readonly #store: LazyStore;
  readonly #options: OpenStoreOptions;
  /**
   * Space -> log, least recently used first. A space has one log only, because the log owns its followers and caches.
   */
  readonly #spaces = new Map<string, SpaceLog>();
  readonly #background = new Map<string, Promise<void>>();
  readonly #purge: NodeJS.Timeout;
  readonly #writing = new Set<Promise<unknown>>();
  readonly #hints: Hints | undefined;
  readonly #onDeleted: (store: OpenStore, error: StoreDeletedError) => void;
  readonly #deletionPoller: Poller;
  #watchers = 0;

  constructor(storage: Storage, id: string, options: OpenStoreOptions, { onDeleted, beforeCreate }: OpenStoreOwner) {
    this.id = id;
    this.#storage = storage;
    this.#store = new LazyStore(storage, id, beforeCreate);
    this.#options = options;
    this.#onDeleted = onDeleted;
    const coordination = { store: this.#store, shared: storage.shared, clock: options.clock };
    this.leases = new Leases(coordination);
    this.cursors = new Cursors(coordination);
    this.presence = new Presence({
      ...coordination,
      pollMillis: options.pollMillis,
      onChange: (group) => this.#hints?.workersChanged(group),
      onListen: () => this.#hints?.listen(),
      onDeleted: (error) => onDeleted(this, error),
      onBackgroundError: (error, what) => this.#report(error, what),
    });
    this.#deletionPoller = new Poller({ restMillis: options.pollMillis, look: () => this.#checkDeleted() });
    if (storage.shared && options.bus !== undefined) {
      this.#hints = new Hints(options.bus, id, {
        onSpace: (space, revision) => this.#spaces.get(space)?.hint(revision),
        onWorkers: (group) => this.presence.hint(group),
        // Anybody can send hints. As with hints about spaces, many useless ones cost only a few looks.
        onDeleted: () => {
          this.#deletionPoller.start();
          this.#deletionPoller.hint();
        },
      });
    }
    const interval = Math.max(1_000, options.dedupeWindowMicros / 2_000);
    this.#purge = setInterval(() => this.#purgeAll(), Math.min(interval, 2 ** 31 - 1));
    this.#purge.unref();
  }

  /** Opens the store if it exists. Returns true if it does. */
  open(): Promise<boolean> {
    return this.#store.open();
  }

  /** True once the store is known to exist. */
  get exists(): boolean {
    return this.#store.exists;
  }

  get store(): PartitionStore {
    return this.#store;
  }

  /** Returns the log of a space. There is one per space and instance. */
  space(name: string): SpaceLog {
    let log = this.#spaces.get(name);
    if (log !== undefined) {
      this.#spaces.delete(name);
    } else {
      this.#dropIdle();
      log = new SpaceLog({
        store: this.#store,
        space: name,
        shared: this.#storage.shared,
        clock: this.#options.clock,
        dedupeWindowMicros: this.#options.dedupeWindowMicros,
        compression: this.#options.compression,
        pollMillis: this.#options.pollMillis,
        tokens: this.leases.tokens,
        onUnfinished: (unfinished) => this.reclaim(unfinished),
        onCommit: ({ space, revision }) => this.#hints?.spaceChanged(space, revision),
        onFollow: () => this.#hints?.listen(),
        onDeleted: (error) => this.#onDeleted(this, error),
      });
    }
    this.#spaces.set(name, log);
    return log;
  }

  /**
   * Runs a change of this store. `close` and `delete` wait for it.
   *
   * @throws the reason of `ended` if the store is closed or deleted
   */
  async write<T>(change: () => Promise<T>): Promise<T> {
    this.ended.signal.throwIfAborted();
    const running = change();
    this.#writing.add(running);
    try {
      return await running;
    } finally {
      this.#writing.delete(running);
    }
  }

  /** Removes the rows of trimmed entries in the background. Has no effect if a removal of the space is running. */
  reclaim(log: SpaceLog): void {
    if (this.#background.has(log.space) || this.ended.signal.aborted || log.pendingReclaims.length === 0) return;
    const work = reclaimSpace(log, this.ended.signal)
      .then(async (outcome) => {
        await this.#store.compact(log.partition);
        return outcome;
      })
      .catch((error) => {
        this.#failedInBackground(error, `reclaiming space "${log.space}"`);
        return "failed" as const;
      })
      .then((outcome) => {
        this.#background.delete(log.space);
        // A trim may have arrived after the reclaimer made its list of segments.
        if (outcome !== "failed" && log.hasTrimmed) this.reclaim(log);
      });
    this.#background.set(log.space, work);
  }

  /** Resolves when no background work runs. */
  async settled(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background.values());
  }

  /** See `listSpaces` in listings.ts. */
  listSpaces(prefix: string, after: string, atOnce: number): AsyncGenerator<Listed<ListedSpace>, void, undefined> {
    return listSpaces(this.#store, prefix, after, atOnce);
  }

  /** See `listSegments` in listings.ts. */
  listSegments(
    space: string,
    prefix: string,
    after: string,
    atOnce: number,
  ): AsyncGenerator<Listed<ListedSegment>, void, undefined> {
    return listSegments(this.#store, this.space(space), prefix, after, atOnce);
  }

  /** Ends all streams with `reason`, waits for commits in flight, and releases the storage. */
  async close(reason: ServerError): Promise<void> {
    await this.#end(reason);
    await this.#store.close();
  }

  /** Ends all streams with NOT_FOUND and deletes the stored data. */
  async delete(): Promise<void> {
    await this.#end(new StoreDeletedError());
    await this.#store.drop();
    this.#hints?.storeDeleted();
  }

  /**
   * Checks that no other instance has deleted the store. Any read shows that.
   *
   * @throws StoreDeletedError
   */
  async checkPresent(): Promise<void> {
    if (this.#storage.shared) await this.#store.get(spacePartition(""), HEAD_KEY);
  }

  /**
   * Checks at intervals, until disposed, that no other instance has deleted the store. Streams that read nothing use
   * it.
   */
  watchDeletion(): Disposable {
    if (!this.#storage.shared) return { [Symbol.dispose]: () => {} };
    this.#watchers++;
    this.#deletionPoller.start();
    this.#hints?.listen();
    return {
      [Symbol.dispose]: () => {
        if (--this.#watchers === 0) this.#deletionPoller.stop();
      },
    };
  }

  async #checkDeleted(): Promise<boolean> {
    try {
      await this.checkPresent();
    } catch (error) {
      if (error instanceof StoreDeletedError) this.#onDeleted(this, error);
    } finally {
      // A hint can cause a look while nobody watches; the poller must not go on then.
      if (this.#watchers === 0) this.#deletionPoller.stop();
    }
    return false;
  }

  async #end(reason: ServerError): Promise<void> {
    this.ended.abort(reason);
    clearInterval(this.#purge);
    this.#deletionPoller.stop();
    await Promise.allSettled(this.#writing);
    await this.presence.close().catch((error) => {
      // Other instances drop the remaining workers after three intervals.
      this.#report(error, "removing workers");
    });
    await this.settled();
    for (const log of this.#spaces.values()) log.close();
    this.#hints?.close();
  }

  #purgeAll(): void {
    for (const log of this.#spaces.values()) {
      // Another instance may have ended after a trim and before it removed the rows.
      this.reclaim(log);
      const key = `${log.space}\u0000purge`;
      if (this.#background.has(key)) continue;
      const work = purgeTransactions(log, this.ended.signal)
        .then(() => purgeChanges(log, this.ended.signal))
        .catch((error) => this.#failedInBackground(error, `purging space "${log.space}"`))
        .then(() => {
          this.#background.delete(key);
        });
      this.#background.set(key, work);
    }
  }

  /** Reports a failure of background work, unless the store has ended here or at another instance. */
  #failedInBackground(error: unknown, what: string): void {
    if (error instanceof StoreDeletedError) this.#onDeleted(this, error);
    else if (!this.ended.signal.aborted) this.#report(error, what);
  }

  #report(error: unknown, what: string): void {
    this.#options.events.failure(error, what, this.id, "background-failed");
  }

  /** Makes room in the cache of logs. Logs in use stay, even beyond the limit. */
  #dropIdle(): void {
    if (this.#spaces.size < CACHED_SPACES) return;
    for (const [name, log] of this.#spaces) {
      if (!log.idle || this.#background.has(name)) continue;
      this.#spaces.delete(name);
      log.close();
      if (this.#spaces.size < CACHED_SPACES) return;
    }
  }
}
