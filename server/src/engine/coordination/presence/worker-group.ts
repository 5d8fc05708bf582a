import { setTimeout as delay } from "node:timers/promises";
import { ServerError, StoreDeletedError, storageUnavailable } from "../../../errors.ts";
import { Poller } from "../../live/poller.ts";
import { SharedRun } from "../../shared-run.ts";
import type { Expiry } from "../expiry.ts";
import { groupPartition, renewalKeys, workerKeys } from "../key-space.ts";
import type { CoordinationOptions } from "../leases.ts";
import { findExcess, limitExceededBy } from "./group-limits.ts";
import { planGroup } from "./group-plan.ts";
import { GroupView, hex, type StoredHost } from "./group-view.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Inventory } from "./inventory.ts";
import { groupFull, Member, MISSED_INTERVALS, replaced } from "./member.ts";
import { type GroupSubscription, Subscribers } from "./subscribers.ts";
import { boundToOther, findForeign, isBoundToOther } from "./worker-owner.ts";
import { decodeWorker, encodeRenewal, makeRecord, type Registrant } from "./worker-rows.ts";

/** Longest time for a change to meet conflicts, and most commits of it with an unknown outcome, before it fails. */
const MAX_CONFLICT_MILLIS = 10_000;
const MAX_UNKNOWN = 3;

export interface WorkerGroupOptions extends CoordinationOptions {
  readonly pollMillis: number;
  readonly expiry: Expiry;
  /** The id of this instance: 16 bytes, new with every start. */
  readonly host: Uint8Array;
  /** Called after each change by this instance. */
  readonly onChange: (group: string) => void;
  /** Called when a subscription starts. */
  readonly onListen: () => void;
  /** Called when background work finds that another instance has deleted the store. */
  readonly onDeleted: (error: StoreDeletedError) => void;
  /** Receives failures of background work, with the name of the work. */
  readonly onBackgroundError: (error: unknown, work: string) => void;
}

/** The registration of a worker. Hold it while the stream of the worker lives. */
export interface Membership {
  /**
   * Aborted with NOT_FOUND when another registration replaces this one, or the worker misses its renewals. Aborted with
   * OVERLOADED if the group is full when this instance has to register the worker again.
   */
  readonly ended: AbortSignal;
  leave(): Promise<void>;
}

/**
 * A group of workers, in which this instance has workers, subscribers, or both.
 *
 * Every commit to the group requires the known version of the group's head. So the view holds the stored state at that
 * version. Each instance with workers writes a host row of its own at every interval. When a host row stays unchanged
 * for three intervals, any observing instance removes that host with its workers. An instance that was frozen finds its
 * row gone, and registers its workers again.
 */
export class WorkerGroup {
  readonly #name: string;
  readonly #options: WorkerGroupOptions;
  readonly #partition: string;
  readonly #view: GroupView;
  readonly #poller: Poller;
  readonly #members = new Map<string, Member>();
  readonly #heartbeat: Heartbeat;
  readonly #subscribers = new Subscribers();
  #inventory: Inventory | undefined;
  readonly #syncs = new SharedRun(() => this.#alone(() => this.#refresh()));
  #exclusive: Promise<unknown> = Promise.resolve();

  constructor(name: string, options: WorkerGroupOptions) {
    this.#name = name;
    this.#options = options;
    this.#partition = groupPartition(name);
    this.#view = new GroupView(options.store, this.#partition);
    this.#poller = new Poller({ restMillis: options.pollMillis, look: () => this.#poll() });
    this.#heartbeat = new Heartbeat({
      ...options,
      name,
      partition: this.#partition,
      view: this.#view,
      members: this.#members,
      alone: (action) => this.#alone(action),
      refresh: () => this.#refresh(),
      flush: () => this.#flush(),
      end: (member, reason) => this.#end(member, reason),
    });
  }

  /** All workers, as far as this instance knows. A change makes a new object. Call `sync` first. */
  get inventory(): Inventory {
    this.#inventory ??= new Inventory([...this.#view.workers.values()].map(({ record }) => record.worker));
    return this.#inventory;
  }

  /** Reads changes of other instances, and removes dead hosts. Resolves with true if anything changed. */
  sync(): Promise<boolean> {
    return this.#syncs.run();
  }

  /** Handles a hint that the group has changed. */
  hint(): void {
    this.#poller.hint();
  }

  /** Adds a subscriber. Call `sync` before reading the first message. */
  subscribe(): GroupSubscription {
    // Polling alone shows the subscribers all changes of other instances.
    if (this.#options.shared) {
      this.#poller.start();
      this.#options.onListen();
    }
    return this.#subscribers.add(() => this.#poller.stop());
  }

  /**
   * Registers a worker, and replaces a worker with the same id. The registration is durable when the promise resolves.
   *
   * @throws ServerError OVERLOADED if the group is full; PERMISSION_DENIED if the worker is bound to another principal
   */
  async join(registrant: Registrant): Promise<Membership> {
    const member = new Member(registrant, makeRecord(registrant, this.#options.host, this.#options.clock()));
    const { owner } = member.record;
    const known = [this.#view.workers.get(member.id)?.record, this.#members.get(member.id)?.record];
    if (known.some((record) => isBoundToOther(record, owner))) throw boundToOther(member.id);
    const full = limitExceededBy(this.#view.workers, this.#members, member);
    if (full !== undefined) throw groupFull(this.#name, full);
    this.#members.get(member.id)?.ended.abort(replaced(member.id));
    this.#members.set(member.id, member);
    this.#heartbeat.adjust();
    const leave = () => this.#leave(member);
    try {
      // One flush writes all waiting members, so a thousand simultaneous joins cost few commits.
      await this.#alone(async () => (member.joined ? undefined : this.#flush()));
      // Other instances may have filled the group in the meantime.
      if (!member.joined) member.ended.signal.throwIfAborted();
    } catch (error) {
      // The row may exist. The next change removes it.
      if (this.#members.get(member.id) === member) {
        this.#members.delete(member.id);
        this.#heartbeat.adjust();
      }
      throw error;
    }
    return { ended: member.ended.signal, leave };
  }

  /**
   * Records that a worker lives. Resolves with false if it is not registered.
   *
   * @throws ServerError PERMISSION_DENIED if the worker is bound to a principal other than `owner`
   */
  async renew(id: string, owner = ""): Promise<boolean> {
    const member = this.#members.get(id);
    if (member !== undefined) {
      if (isBoundToOther(member.record, owner)) throw boundToOther(id);
      member.renewedAt = performance.now();
      return true;
    }
    const { store, shared } = this.#options;
    const worker = shared ? await store.get(this.#partition, workerKeys.key(id)) : undefined;
    if (worker === undefined) return false;
    // The row may land after the end of the registration, so it names its registration (PRE-011).
    const record = decodeWorker(worker.value);
    if (isBoundToOther(record, owner)) throw boundToOther(id);
    const { registration } = record.worker;
    const puts = [{ key: renewalKeys.key(id), value: encodeRenewal(registration) }];
    await store.commit(this.#partition, { conditions: [], puts, deletes: [] });
    return true;
  }

  /** Removes the workers of this instance. */
  async close(): Promise<void> {
    this.#heartbeat.close();
    this.#poller.stop();
    this.#members.clear();
    this.#heartbeat.adjust();
    await this.#alone(() => this.#flush());
    this.#subscribers.close();
  }

  async #leave(member: Member): Promise<void> {
    if (this.#members.get(member.id) !== member) return;
    this.#members.delete(member.id);
    this.#heartbeat.adjust();
    // When many workers leave together, most of them find their rows already removed.
    const isLeft = () => member.owns(this.#view.workers.get(member.id)) || this.#members.size === 0;
    await this.#alone(async () => (isLeft() ? this.#flush() : undefined));
  }

  async #poll(): Promise<boolean> {
    try {
      return await this.sync();
    } catch (error) {
      if (error instanceof StoreDeletedError) this.#options.onDeleted(error);
      throw error;
    }
  }

  /** Runs actions that change the known state one at a time. */
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
    this.#subscribers.update(this.#view.workers);
  }

  /** Ends members whose rows now belong to other registrations. A missing row is written again. */
  #compareMembers(): void {
    for (const member of [...this.#members.values()]) {
      const stored = this.#view.workers.get(member.id);
      if (member.owns(stored)) member.joined = true;
      else if (stored !== undefined && member.joined) this.#end(member, replaced(member.id));
    }
  }

  #end(member: Member, reason: ServerError): void {
    this.#members.delete(member.id);
    this.#heartbeat.adjust();
    member.ended.abort(reason);
  }

  /** A dead host, if there is one. */
  #overdue(): StoredHost | undefined {
    const { expiry, host, shared } = this.#options;
    for (const other of this.#view.hosts.values()) {
      if (Buffer.compare(other.instance, host) === 0) continue;
      // On unshared storage, any other host is an earlier start of this instance.
      if (!shared) return other;
      const ttlMillis = MISSED_INTERVALS * other.intervalMillis;
      const perishable = {
        version: other.version,
        ttlMillis,
        expireTimeMicros: other.beatTimeMicros + ttlMillis * 1_000,
      };
      if (expiry.remaining(`${this.#name}\n${hex(other.instance)}`, perishable) === 0) return other;
    }
    return undefined;
  }

  /** Writes all outstanding changes, commit after commit. */
  async #flush(): Promise<void> {
    const { store, shared, host, clock } = this.#options;
    const end = performance.now() + MAX_CONFLICT_MILLIS;
    let unknown = 0;
    for (let attempt = 1; ; attempt++) {
      this.#refuseExcess();
      const { renewed } = this.#heartbeat;
      const goal = { host, members: this.#members, overdue: this.#overdue(), renewed, now: clock() };
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
        // On shared storage, a read shows the outcome of the commit.
        if (!shared || !(error instanceof ServerError) || error instanceof StoreDeletedError) throw error;
        if (++unknown >= MAX_UNKNOWN) throw error;
        await delay(Math.min(1_000, error.facts.retryAfterMillis ?? 0));
      }
      if (performance.now() > end) throw this.#contended();
      if (attempt > 1) await delay(Math.random() * Math.min(200, 2 ** attempt));
      if (await this.#view.refresh()) this.#wake();
      this.#compareMembers();
    }
  }

  /** Ends members that wait for their registration while other instances have filled the group, or bound its id. */
  #refuseExcess(): void {
    for (const member of findForeign(this.#view.workers, this.#members)) this.#end(member, boundToOther(member.id));
    for (const [member, full] of findExcess(this.#view.workers, this.#members)) {
      this.#end(member, groupFull(this.#name, full));
    }
  }

  #contended(): ServerError {
    const seconds = MAX_CONFLICT_MILLIS / 1_000;
    return storageUnavailable(`gave up after ${seconds} s of write conflicts on group "${this.#name}"`, undefined, 100);
  }
}
