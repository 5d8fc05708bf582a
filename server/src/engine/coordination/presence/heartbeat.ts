import { type ServerError, StoreDeletedError } from "../../../errors.ts";
import type { Row, RowVersion } from "../../../storage/port.ts";
import { hostKey, renewalKeys } from "../key-space.ts";
import { shortestInterval } from "./group-plan.ts";
import { type GroupView, hex } from "./group-view.ts";
import { type Member, notRenewed } from "./member.ts";
import type { WorkerGroupOptions } from "./worker-group.ts";
import { decodeRenewal, encodeHost } from "./worker-rows.ts";

/** Renewals without a worker that are removed at once. */
const ORPHANS_PER_TICK = 50;

/** The group that a heartbeat is for. */
export interface HeartbeatOptions extends WorkerGroupOptions {
  readonly name: string;
  readonly partition: string;
  readonly view: GroupView;
  /** The workers of this instance, by id. */
  readonly members: ReadonlyMap<string, Member>;
  /** Runs an action while no other changes the group. */
  readonly alone: (action: () => Promise<void>) => Promise<void>;
  /** Reads what is stored. */
  readonly refresh: () => Promise<unknown>;
  /** Writes what is due. */
  readonly flush: () => Promise<void>;
  readonly end: (member: Member, reason: ServerError) => void;
}

/**
 * Shows, at every interval, that this instance and its workers of a group live, and ends workers that missed their
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
   * Keeps the timer at the shortest interval of the members. It slows down only when the host row says so: until then,
   * others expect what that said before.
   *
   * @param storedMillis the interval that the host row is known to have; without it, nothing new is known
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

  /** Failures are not told any more. The timer ends with the last member. */
  close(): void {
    this.#closed = true;
  }

  /** Ticks, unless the tick before still waits for the storage. */
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
    // Others took this instance for gone, and its members register again; or the answer of an earlier beat was lost.
    await this.#options.refresh();
    await this.#tryBeat();
  }

  /** Writes the host row; false when it is not as it is known. */
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

  /** Removes renewals that landed after their worker had left, or that nobody knew of when it did. */
  async #removeOrphans(orphans: readonly Row[]): Promise<void> {
    if (orphans.length === 0) return;
    const { store, partition } = this.#options;
    const conditions = orphans.map(({ key, version }) => ({ key, version, alwaysWritten: true }));
    // Where one was written meanwhile, all are left to the next tick.
    const deletes = orphans.map(({ key }) => key);
    await store.commit(partition, { conditions, puts: [], deletes });
  }
}
