import { randomBytes } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../../errors.ts";
import { nextWake } from "../../live/next-wake.ts";
import { Expiry } from "../expiry.ts";
import type { GroupMessage } from "./group-message.ts";
import type { Inventory } from "./inventory.ts";
import { WorkerGroup, type WorkerGroupOptions } from "./worker-group.ts";
import type { Registrant } from "./worker-rows.ts";

/** The options of a store's presence, without those that a group determines itself. */
export type PresenceOptions = Omit<WorkerGroupOptions, "host" | "expiry">;

/** The workers of a store, in groups. A group is in memory while this instance has workers or subscribers in it. */
export class Presence {
  readonly #options: WorkerGroupOptions;
  readonly #groups = new Map<string, { readonly group: WorkerGroup; holders: number }>();

  constructor(options: PresenceOptions) {
    this.#options = { ...options, host: randomBytes(16), expiry: new Expiry(options.clock) };
  }

  /** Handles a hint that the workers of a group have changed. */
  hint(group: string): void {
    this.#groups.get(group)?.group.hint();
  }

  /**
   * Yields a snapshot of a group, then its changes, and a heartbeat after every interval without another message. With
   * `registrant`, registers a worker until the iteration ends. The snapshot includes that worker.
   *
   * @throws ServerError OVERLOADED if the group is full; NOT_FOUND when the registration ends
   * @throws the reason of `signal` when it aborts
   */
  async *watch(
    name: string,
    registrant: Registrant | undefined,
    intervalMillis: number,
    signal: AbortSignal,
  ): AsyncGenerator<GroupMessage, void, undefined> {
    using held = this.#hold(name);
    const { group } = held;
    using subscription = group.subscribe();
    await group.sync();
    // No code would remove a worker that registers after the store was closed.
    signal.throwIfAborted();
    const membership = registrant && (await group.join(registrant));
    const ending = membership === undefined ? signal : AbortSignal.any([signal, membership.ended]);
    try {
      let silentSince = performance.now();
      for (;;) {
        ending.throwIfAborted();
        let message = subscription.next();
        if (message === undefined) {
          const rest = silentSince + intervalMillis - performance.now();
          if (rest > 0 && (await nextWake(subscription, rest, ending))) continue;
          message = subscription.next() ?? subscription.heartbeat();
        }
        yield message;
        silentSince = performance.now();
      }
    } finally {
      await membership?.leave();
    }
  }

  /**
   * @param owner principal of the caller, if its grants bind; otherwise ""
   * @throws ServerError NOT_FOUND if the worker is not registered; PERMISSION_DENIED if the worker is bound to another
   * principal
   */
  async renew(name: string, id: string, owner: string): Promise<void> {
    using held = this.#hold(name);
    if (await held.group.renew(id, owner)) return;
    throw new ServerError(
      ErrorReason.NOT_FOUND,
      `worker "${id}" is not registered in group "${name}"; register it first`,
    );
  }

  /** The live workers of a group. */
  async list(name: string): Promise<Inventory> {
    using held = this.#hold(name);
    await held.group.sync();
    return held.group.inventory;
  }

  /** Removes the workers of this instance from all groups. */
  async close(): Promise<void> {
    await Promise.all([...this.#groups.values()].map(({ group }) => group.close()));
  }

  #hold(name: string): { readonly group: WorkerGroup } & Disposable {
    let entry = this.#groups.get(name);
    if (entry === undefined) {
      entry = { group: new WorkerGroup(name, this.#options), holders: 0 };
      this.#groups.set(name, entry);
    }
    const { group } = entry;
    const held = entry;
    held.holders++;
    return {
      group,
      [Symbol.dispose]: () => {
        if (--held.holders === 0 && this.#groups.get(name) === held) this.#groups.delete(name);
      },
    };
  }
}
