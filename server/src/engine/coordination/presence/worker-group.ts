import { setTimeout as delay } from "node:timers/promises";
import { ErrorReason } from "@streamkit/protocol";
import { StoreDeletedError, StreamkitError, storageUnavailable } from "../../../errors.ts";
import type { Row, RowVersion } from "../../../storage/port.ts";
import type { WakeSource } from "../../next-wake.ts";
import { Poller } from "../../poller.ts";
import { SharedRun } from "../../shared-run.ts";
import type { Expiry } from "../expiry.ts";
import { groupPartition, hostKey, renewalKeys, workerKeys } from "../key-space.ts";
import type { CoordinationOptions } from "../leases.ts";
import { planGroup, shortestInterval } from "./group-plan.ts";
import { GroupView, hex, type StoredHost } from "./group-view.ts";
import { Inventory } from "./inventory.ts";
import { Member, MISSED_INTERVALS, notRenewed, replaced } from "./member.ts";
import { decodeRenewal, decodeWorker, encodeHost, encodeRenewal, makeRecord, type Registrant } from "./worker-rows.ts";

const MAX_WORKERS = 4_096;
/** How long a change may meet those of others before it is given up, and how often its outcome may stay unknown. */
const MAX_CONFLICT_MILLIS = 10_000;
const MAX_UNKNOWN = 3;
/** Renewals without a worker that are removed at once. */
const ORPHANS_PER_TICK = 50;

export interface WorkerGroupOptions extends CoordinationOptions {
  readonly pollMillis: number;
  readonly expiry: Expiry;
  /** This instance. 16 bytes, new with every start. */
  readonly host: Uint8Array;
  /** Called after each change that this instance has made. */
  readonly onChange: (group: string) => void;
  /** Called when somebody begins to watch. */
  readonly onListen: () => void;
  /** Called when background work finds that another instance has deleted the store. */
  readonly onDeleted: (error: StoreDeletedError) => void;
  /** Told about failures of background work. */
  readonly onBackgroundError: (error: unknown, what: string) => void;
}

/** A worker's registration, to be held for as long as its stream lives. */
export interface Membership {
  /** Aborted with NOT_FOUND when another registration replaced this one, or the worker missed its renewals. */
  readonly ended: AbortSignal;
  leave(): Promise<void>;
}

/** What a subscriber waits on. */
export interface GroupSubscription extends WakeSource, Disposable {}

/**
 * One group of workers, as this instance takes part in it: with workers of its own, with subscribers, or both.
 *
 * Every change of the group is a commit on the condition that the group's head is as it was read, so what is known is what was
 * stored at that version. Each instance with workers writes a row of its own at every interval; when that row stays the same
 * for three, whoever watches the group removes the instance with its workers. One that was frozen finds its row gone, and
 * registers its workers again.
 */
export class WorkerGroup {
  readonly #name: string;
  readonly #options: WorkerGroupOptions;
  readonly #partition: string;
  readonly #view: GroupView;
  readonly #poller: Poller;
  readonly #members = new Map<string, Member>();
  readonly #waiting = new Set<() => void>();
  #subscribers = 0;
  #inventory: Inventory | undefined;
  #beat: NodeJS.Timeout | undefined;
  #beatMillis = Number.POSITIVE_INFINITY;
  #ticking = false;
  #renewals = new Map<string, RowVersion>();
  readonly #syncs = new SharedRun(() => this.#alone(() => this.#refresh()));
  #exclusive: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(name: string, options: WorkerGroupOptions) {
    this.#name = name;
    this.#options = options;
    this.#partition = groupPartition(name);
    this.#view = new GroupView(options.store, this.#partition);
    this.#poller = new Poller({ restMillis: options.pollMillis, look: () => this.#poll() });
  }

  get subscribers(): number {
    return this.#subscribers;
  }

  /** All workers, as far as this instance knows; another object after each change. Call `sync` first. */
  get inventory(): Inventory {
    this.#inventory ??= new Inventory([...this.#view.workers.values()].map(({ record }) => record.worker));
    return this.#inventory;
  }

  /** Learns what other instances have changed, and removes what is over; true when something was new. */
  sync(): Promise<boolean> {
    return this.#syncs.run();
  }

  /** Somebody says that the group has changed. */
  hint(): void {
    this.#poller.hint();
  }

  subscribe(): GroupSubscription {
    this.#subscribers++;
    // Where others have workers too, polling alone keeps subscribers complete.
    if (this.#options.shared) {
      this.#poller.start();
      this.#options.onListen();
    }
    let held = true;
    return {
      onWake: (callback) => {
        this.#waiting.add(callback);
        return () => this.#waiting.delete(callback);
      },
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        if (--this.#subscribers === 0) this.#poller.stop();
      },
    };
  }

  /**
   * Registers a worker; durable when it resolves. One with the same id is replaced.
   *
   * @throws StreamkitError OVERLOADED when the group is full
   */
  async join(registrant: Registrant): Promise<Membership> {
    if (this.#isFull(registrant.id)) {
      const message = `group "${this.#name}" has ${MAX_WORKERS} workers; more are not allowed`;
      throw new StreamkitError(ErrorReason.OVERLOADED, message, { retryAfterMillis: 1_000 });
    }
    const member = new Member(registrant, makeRecord(registrant, this.#options.host, this.#options.clock()));
    this.#members.get(member.id)?.ended.abort(replaced(member.id));
    this.#members.set(member.id, member);
    this.#keepBeating();
    const leave = () => this.#leave(member);
    try {
      // One flush writes all that are waiting: a thousand that join together cost a few.
      await this.#alone(async () => (member.joined ? undefined : this.#flush()));
    } catch (error) {
      // It may have been written; what is left goes with the next change.
      if (this.#members.get(member.id) === member) {
        this.#members.delete(member.id);
        this.#keepBeating();
      }
      throw error;
    }
    return { ended: member.ended.signal, leave };
  }

  /** Takes note that a worker lives; false when it is not registered. */
  async renew(id: string): Promise<boolean> {
    const member = this.#members.get(id);
    if (member !== undefined) {
      member.renewedAt = performance.now();
      return true;
    }
    const { store, shared } = this.#options;
    const worker = shared ? await store.get(this.#partition, workerKeys.key(id)) : undefined;
    if (worker === undefined) return false;
    // It may land when the registration has ended, so it says which it is of (PRE-011).
    const { registration } = decodeWorker(worker.value);
    const puts = [{ key: renewalKeys.key(id), value: encodeRenewal(registration) }];
    await store.commit(this.#partition, { conditions: [], puts, deletes: [] });
    return true;
  }

  /** Removes the workers of this instance. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#poller.stop();
    this.#members.clear();
    this.#keepBeating();
    await this.#alone(() => this.#flush());
  }

  async #leave(member: Member): Promise<void> {
    if (this.#members.get(member.id) !== member) return;
    this.#members.delete(member.id);
    this.#keepBeating();
    // Of many that leave together, most find their rows gone already.
    const isLeft = () => member.owns(this.#view.workers.get(member.id)) || this.#members.size === 0;
    await this.#alone(async () => (isLeft() ? this.#flush() : undefined));
  }

  /** Whether there is no room for a worker that is not in the group yet. */
  #isFull(id: string): boolean {
    const { workers } = this.#view;
    // Those of this instance may be on their way, or in the view already.
    if (workers.size + this.#members.size < MAX_WORKERS) return false;
    const others = new Set([...workers.keys(), ...this.#members.keys()]);
    others.delete(id);
    return others.size >= MAX_WORKERS;
  }

  async #poll(): Promise<boolean> {
    try {
      return await this.sync();
    } catch (error) {
      if (error instanceof StoreDeletedError) this.#options.onDeleted(error);
      throw error;
    }
  }

  /** Runs one change of what is known at a time. */
  #alone<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(action, action);
    this.#exclusive = result.catch(() => undefined);
    return result;
  }

  async #refresh(): Promise<boolean> {
    const changed = await this.#view.refresh();
    this.#compareMembers();
    if (changed) this.#wake();
    await this.#flush();
    return changed;
  }

  #wake(): void {
    this.#inventory = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Ends members whose rows now belong to other registrations. A row that is missing is written again. */
  #compareMembers(): void {
    for (const member of [...this.#members.values()]) {
      const stored = this.#view.workers.get(member.id);
      if (member.owns(stored)) member.joined = true;
      else if (stored !== undefined && member.joined) this.#end(member, replaced(member.id));
    }
  }

  #end(member: Member, reason: StreamkitError): void {
    this.#members.delete(member.id);
    this.#keepBeating();
    member.ended.abort(reason);
  }

  /** A host that is gone, if there is one. */
  #overdue(): StoredHost | undefined {
    const { expiry, host, shared } = this.#options;
    for (const other of this.#view.hosts.values()) {
      if (Buffer.compare(other.instance, host) === 0) continue;
      // Alone on the storage, any other host was an earlier start of this one.
      if (!shared) return other;
      const ttlMillis = MISSED_INTERVALS * other.intervalMillis;
      const perishable = { version: other.version, ttlMillis, expireTime: other.beatTime + ttlMillis * 1_000 };
      if (expiry.remaining(`${this.#name}\n${hex(other.instance)}`, perishable) === 0) return other;
    }
    return undefined;
  }

  /** Writes, commit after commit, what is due. */
  async #flush(): Promise<void> {
    const { store, shared, host, clock } = this.#options;
    const end = performance.now() + MAX_CONFLICT_MILLIS;
    let unknown = 0;
    for (let attempt = 1; ; attempt++) {
      const goal = { host, members: this.#members, overdue: this.#overdue(), renewed: this.#renewals, now: clock() };
      const plan = planGroup(this.#view, goal);
      if (plan === undefined) return;
      try {
        const result = await store.commit(this.#partition, plan.batch);
        if (result.committed) {
          plan.apply(result.versions);
          this.#wake();
          this.#options.onChange(this.#name);
          continue;
        }
      } catch (error) {
        // On a shared storage, reading tells what has become of it.
        if (!shared || !(error instanceof StreamkitError) || error instanceof StoreDeletedError) throw error;
        if (++unknown >= MAX_UNKNOWN) throw error;
        await delay(Math.min(1_000, error.facts.retryAfterMillis ?? 0));
      }
      if (performance.now() > end) throw storageUnavailable("a group of workers changes all the time", undefined, 100);
      if (attempt > 1) await delay(Math.random() * Math.min(200, 2 ** attempt));
      if (await this.#view.refresh()) this.#wake();
      this.#compareMembers();
    }
  }

  /**
   * Keeps the timer at the shortest interval of the members. It slows down only when the host row says so: until then, others
   * expect what that said before.
   *
   * @param storedMillis the interval that the host row is known to have; without it, nothing new is known
   */
  #keepBeating(storedMillis = this.#beatMillis): void {
    const shortest = shortestInterval(this.#members.values());
    const millis = this.#members.size === 0 ? shortest : Math.min(shortest, storedMillis);
    if (millis === this.#beatMillis) return;
    this.#beatMillis = millis;
    clearInterval(this.#beat);
    if (!Number.isFinite(millis)) return;
    this.#beat = setInterval(() => void this.#onInterval(), millis);
    this.#beat.unref();
  }

  /** Ticks, unless the tick before still waits for the storage. */
  async #onInterval(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      await this.#alone(() => this.#tick());
    } catch (error) {
      if (error instanceof StoreDeletedError) this.#options.onDeleted(error);
      else if (!this.#closed) this.#options.onBackgroundError(error, `presence in group "${this.#name}"`);
    } finally {
      this.#ticking = false;
    }
  }

  /** At every interval: shows that this instance lives, and ends members that missed their renewals. */
  async #tick(): Promise<void> {
    if (this.#members.size === 0) return;
    if (this.#options.shared) {
      await this.#writeBeat();
      await this.#readRenewals();
    }
    const now = performance.now();
    for (const member of [...this.#members.values()]) {
      if (member.hasMissedRenewals(now)) this.#end(member, notRenewed(member.id));
    }
    await this.#flush();
    this.#keepBeating(this.#view.hosts.get(hex(this.#options.host))?.intervalMillis);
  }

  async #writeBeat(): Promise<void> {
    if (await this.#tryBeat()) return;
    // Others took this instance for gone, and its members register again; or the answer of an earlier beat was lost.
    await this.#refresh();
    await this.#tryBeat();
  }

  /** Writes the host row; false when it is not as it is known. */
  async #tryBeat(): Promise<boolean> {
    const { store, host, clock } = this.#options;
    const known = this.#view.hosts.get(hex(host));
    if (known === undefined || this.#members.size === 0) return false;
    const key = hostKey(host);
    const next = { intervalMillis: shortestInterval(this.#members.values()), beatTime: clock() };
    const puts = [{ key, value: encodeHost(next) }];
    const conditions = [{ key, version: known.version }];
    const result = await store.commit(this.#partition, { conditions, puts, deletes: [] });
    if (result.committed) this.#view.hosts.set(hex(host), { instance: host, ...next, version: result.versions[0] });
    return result.committed;
  }

  async #readRenewals(): Promise<void> {
    const { store } = this.#options;
    const seen = new Map<string, RowVersion>();
    const orphans: Row[] = [];
    for await (const rows of store.scan(this.#partition, renewalKeys.range())) {
      for (const row of rows) {
        const id = renewalKeys.name(row.key);
        seen.set(id, row.version);
        const member = this.#members.get(id);
        if (this.#renewals.get(id) === row.version) {
          if (member === undefined && !this.#view.workers.has(id)) orphans.push(row);
        } else if (member?.record.registration === decodeRenewal(row.value)) member.renewedAt = performance.now();
      }
    }
    this.#renewals = seen;
    await this.#removeOrphans(orphans.slice(0, ORPHANS_PER_TICK));
  }

  /** Removes renewals that landed after their worker had left, or that nobody knew of when it did. */
  async #removeOrphans(orphans: readonly Row[]): Promise<void> {
    if (orphans.length === 0) return;
    const conditions = orphans.map(({ key, version }) => ({ key, version, alwaysWritten: true }));
    // Where one was written meanwhile, all are left to the next tick.
    const deletes = orphans.map(({ key }) => key);
    await this.#options.store.commit(this.#partition, { conditions, puts: [], deletes });
  }
}
