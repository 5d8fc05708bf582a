import { type ServerError, StoreDeletedError } from "../../../errors.ts";
import type { Row, RowVersion } from "../../../storage/port.ts";
import { hostKey, renewalKeys } from "../key-space.ts";
import { shortestInterval } from "./group-plan.ts";
import { type GroupView, hex } from "./group-view.ts";
import { type Member, notRenewed } from "./member.ts";
import type { WorkerGroupOptions } from "./worker-group.ts";
import { decodeRenewal, encodeHost } from "./worker-rows.ts";

/** Most renewals without a worker that one tick removes. */
const ORPHANS_PER_TICK = 50;

/** The group that a heartbeat belongs to. */
export interface HeartbeatOptions extends WorkerGroupOptions {
  readonly name: string;
  readonly partition: string;
  readonly view: GroupView;
  /** The workers of this instance, by id. */
  readonly members: ReadonlyMap<string, Member>;
  /** Runs an action while no other action changes the group. */
  readonly alone: (action: () => Promise<void>) => Promise<void>;
  /** Reads the stored state. */
  readonly refresh: () => Promise<unknown>;
  /** Writes all outstanding changes. */
  readonly flush: () => Promise<void>;
  readonly end: (member: Member, reason: ServerError) => void;
}

/**
 * Shows, at every interval, that this instance and its workers in one group live. Ends workers that missed their
 * renewals.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;
  #millis = Number.POSITIVE_INFINITY;
  #ticking = false;
  #closed = false;
  #renewals = new Map<string, RowVersion>();

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Ids of workers that have a row of renewals, as far as this instance knows. */
  get renewed(): { has(id: string): boolean } {
    return this.#renewals;
  }

  /**
   * Sets the timer to the shortest interval of the members. The timer slows down only once the host row has the longer
   * interval. Until then, other instances expect heartbeats at the previous one.
   *
   * @param storedMillis the interval in the host row, if it was just read or written
   */
  adjust(storedMillis = this.#millis): void {
    const { members } = this.#options;
    const shortest = shortestInterval(members.values());
    const millis = members.size === 0 ? shortest : Math.min(shortest, storedMillis);
    if (millis === this.#millis) return;
    this.#millis = millis;
    clearInterval(this.#timer);
    if (!Number.isFinite(millis)) return;
    this.#timer = setInterval(() => void this.#onInterval(), millis);
    this.#timer.unref();
  }

  /** Stops reporting failures. The timer ends with the last member. */
  close(): void {
    this.#closed = true;
  }

  /** Ticks, unless the previous tick still waits for the storage. */
  async #onInterval(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    const { name, alone, onDeleted, onBackgroundError } = this.#options;
    try {
      await alone(() => this.#tick());
    } catch (error) {
      if (error instanceof StoreDeletedError) onDeleted(error);
      else if (!this.#closed) onBackgroundError(error, `presence in group "${name}"`);
    } finally {
      this.#ticking = false;
    }
  }

  async #tick(): Promise<void> {
    const { members, shared, view, host, end, flush } = this.#options;
    if (members.size === 0) return;
    if (shared) {
      await this.#writeBeat();
      await this.#readRenewals();
    }
    const now = performance.now();
    for (const member of [...members.values()]) {
      if (member.hasMissedRenewals(now)) end(member, notRenewed(member.id));
    }
    await flush();
    this.adjust(view.hosts.get(hex(host))?.intervalMillis);
  }

  async #writeBeat(): Promise<void> {
    if (await this.#tryBeat()) return;
    // Either other instances declared this one dead, and its members register again; or the answer to an earlier beat
    // was lost.
    await this.#options.refresh();
    await this.#tryBeat();
  }

  /** Writes the host row. Resolves with false if the stored row differs from the known one. */
  async #tryBeat(): Promise<boolean> {
    const { store, host, clock, view, members, partition } = this.#options;
    const known = view.hosts.get(hex(host));
    if (known === undefined || members.size === 0) return false;
    const key = hostKey(host);
    const next = { intervalMillis: shortestInterval(members.values()), beatTimeMicros: clock() };
    const puts = [{ key, value: encodeHost(next) }];
    const conditions = [{ key, version: known.version }];
    const result = await store.commit(partition, { conditions, puts, deletes: [] });
    if (result.committed) view.hosts.set(hex(host), { instance: host, ...next, version: result.versions[0] });
    return result.committed;
  }

  async #readRenewals(): Promise<void> {
    const { store, partition, members, view } = this.#options;
    const seen = new Map<string, RowVersion>();
    const orphans: Row[] = [];
    for await (const rows of store.scan(partition, renewalKeys.range())) {
      for (const row of rows) {
        const id = renewalKeys.name(row.key);
        seen.set(id, row.version);
        const member = members.get(id);
        if (this.#renewals.get(id) === row.version) {
          if (member === undefined && !view.workers.has(id)) orphans.push(row);
        } else if (member?.record.worker.registration === decodeRenewal(row.value)) {
          member.renewedAt = performance.now();
        }
      }
    }
    this.#renewals = seen;
    await this.#removeOrphans(orphans.slice(0, ORPHANS_PER_TICK));
  }

  /** Removes renewals that landed after their worker had left, or that were unknown when it left. */
  async #removeOrphans(orphans: readonly Row[]): Promise<void> {
    if (orphans.length === 0) return;
    const { store, partition } = this.#options;
    const conditions = orphans.map(({ key, version }) => ({ key, version, alwaysWritten: true }));
    // If one of them was written in the meantime, the next tick removes them all.
    const deletes = orphans.map(({ key }) => key);
    await store.commit(partition, { conditions, puts: [], deletes });
  }
}
