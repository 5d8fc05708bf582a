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
  /** How instances that share the storage tell each other what is new. */
  readonly bus?: Bus;
  /** Told about failures of background work, which no caller waits for. */
  readonly events: Events;
}

/** Space logs kept in memory per store; idle ones beyond are dropped. */
const CACHED_SPACES = 1_024;

/** Services that the owner of an open store does for it. */
export interface OpenStoreOwner {
  /** Called, once or more, when it shows that another instance has deleted the store. */
  onDeleted(store: OpenStore, error: StoreDeletedError): void;
  /** Called before a store that does not exist is made. @throws ServerError when there is no room for it */
  beforeCreate(): void;
}

/** One open store: its spaces and their background work. */
export class OpenStore {
  readonly id: string;
  /** Aborted, with the reason that streams end with, when the store is closed or deleted. */
  readonly ended = new AbortController();
  readonly leases: Leases;
  readonly cursors: Cursors;
  readonly presence: Presence;
  readonly #storage: Storage;
  readonly #store: LazyStore;
  readonly #options: OpenStoreOptions;
  /** In order of use, oldest first. Never two logs of one space: followers and caches are the log's own. */
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
        // Hints are anybody's: as with those about spaces, many that lead to nothing cost a few looks.
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

  /** Opens the store if it exists; true when it does. */
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

  /** The log of a space; one per space and instance. */
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

  /** Runs a change of this store; closing waits for it. */
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

  /** Starts, in the background, the removal of rows that trims left behind. */
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
        // A trim that came after the list of work was made.
        if (outcome !== "failed" && log.hasTrimmed) this.reclaim(log);
      });
    this.#background.set(log.space, work);
  }

  /** Resolves when no background work runs; for tests and for closing. */
  async settled(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background.values());
  }

  /** As `listSpaces` of listings.ts. */
  listSpaces(prefix: string, after: string, atOnce: number): AsyncGenerator<Listed<ListedSpace>, void, undefined> {
    return listSpaces(this.#store, prefix, after, atOnce);
  }

  /** As `listSegments` of listings.ts. */
  listSegments(
    space: string,
    prefix: string,
    after: string,
    atOnce: number,
  ): AsyncGenerator<Listed<ListedSegment>, void, undefined> {
    return listSegments(this.#store, this.space(space), prefix, after, atOnce);
  }

  /** Ends streams, lets commits finish, and releases the storage. */
  async close(reason: ServerError): Promise<void> {
    await this.#end(reason);
    await this.#store.close();
  }

  /** Ends streams and forgets everything. */
  async delete(): Promise<void> {
    await this.#end(new StoreDeletedError());
    await this.#store.drop();
    this.#hints?.storeDeleted();
  }

  /**
   * Makes sure that what is open here has not been deleted by another instance: any read tells.
   *
   * @throws StoreDeletedError
   */
  async checkPresent(): Promise<void> {
    if (this.#storage.shared) await this.#store.get(spacePartition(""), HEAD_KEY);
  }

  /**
   * For streams that read nothing: looks now and then whether another instance has deleted the store, until disposed.
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
      // A hint began this look; without watchers there is no next one.
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
      // Workers that stay behind are taken for gone after three intervals.
      this.#report(error, "removing workers");
    });
    await this.settled();
    for (const log of this.#spaces.values()) log.close();
    this.#hints?.close();
  }

  #purgeAll(): void {
    for (const log of this.#spaces.values()) {
      // A trim whose instance ended before its rows were removed.
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

  /** Work on a store that has ended, here or at another instance, may fail: there is nothing left to do. */
  #failedInBackground(error: unknown, what: string): void {
    if (error instanceof StoreDeletedError) this.#onDeleted(this, error);
    else if (!this.ended.signal.aborted) this.#report(error, what);
  }

  #report(error: unknown, what: string): void {
    this.#options.events.failure(error, what, this.id, "background-failed");
  }

  /** Makes room in the cache of logs; those in use stay, whatever their number. */
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
