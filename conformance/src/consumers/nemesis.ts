import { setTimeout } from "node:timers/promises";
import type { Cluster } from "../lab/cluster.ts";
import type { Crowd } from "./crowd.ts";
import type { SoakEvent } from "./history.ts";
import { type ConsumerTrouble, consumerTroubles, type InstanceTrouble, instanceTroubles } from "./plan.ts";
import { now } from "./settings.ts";

/** Most consumers that are down at the same time. One of the others is active; the rest wait. */
const MOST_DOWN = 2;
/** Longest wait for the next trouble, in multiples of the ttl: much longer than any hand-over. */
const PATIENCE_TTLS = 30;

/** Makes the planned trouble of a seed. */
export class SoakNemesis {
  readonly #cluster: Cluster;
  readonly #crowd: Crowd;
  readonly #ttl: number;
  readonly #onEvent: (event: SoakEvent) => void;
  /** Consumers that are down. */
  readonly #down = new Map<number, Promise<void>>();

  constructor(cluster: Cluster, crowd: Crowd, ttl: number, onEvent: (event: SoakEvent) => void) {
    this.#cluster = cluster;
    this.#crowd = crowd;
    this.#ttl = ttl;
    this.#onEvent = onEvent;
  }

  /** Makes trouble for `millis` milliseconds. Resolves when everything runs again. */
  async run(seed: number, millis: number): Promise<void> {
    const instances = this.#cluster.members.length;
    const failed = new AbortController();
    const signal = AbortSignal.any([AbortSignal.timeout(millis), failed.signal]);
    const both = [
      this.#each(consumerTroubles(seed, this.#ttl), signal, (trouble) => this.#consumer(trouble, signal)),
      this.#each(instanceTroubles(seed, this.#ttl, instances), signal, (trouble) => this.#instance(trouble, signal)),
    ];
    try {
      await Promise.all(both);
    } finally {
      failed.abort();
      await Promise.allSettled(both);
      await Promise.all(this.#down.values());
    }
  }

  async #each<T>(troubles: Iterable<T>, signal: AbortSignal, make: (trouble: T) => Promise<void>): Promise<void> {
    for (const trouble of troubles) {
      if (signal.aborted) return;
      await make(trouble).catch((error) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  /** Resolves when the trouble has begun, so that others may follow while it lasts. */
  async #consumer({ pauseMillis, kind, victim, millis }: ConsumerTrouble, signal: AbortSignal): Promise<void> {
    const crowd = this.#crowd;
    // The bound of a hand-over applies only to processes that wait when it begins.
    const ready = (): boolean => {
      return crowd.active !== undefined && crowd.waiting.length > 0 && this.#down.size < MOST_DOWN;
    };
    const untilReady = (): Promise<void> => {
      return crowd.until("a consumer runs, and another waits", ready, PATIENCE_TTLS * this.#ttl, signal);
    };
    await untilReady();
    // Let the process work first: without work done, it has nothing to lose.
    await pause(pauseMillis, signal);
    signal.throwIfAborted();
    await untilReady();
    const { waiting } = crowd;
    const index = victim === "active" ? crowd.active! : waiting[victim % waiting.length];
    if (victim !== "active" && waiting.length === 1) return;
    const lasting = kind === "kill" ? this.#kill(index, millis, signal) : this.#freeze(index, millis, signal);
    this.#down.set(
      index,
      lasting.finally(() => this.#down.delete(index)),
    );
  }

  async #kill(index: number, millis: number, signal: AbortSignal): Promise<void> {
    await this.#crowd.kill(index);
    await pause(millis, signal);
    this.#crowd.startAgain(index);
  }

  async #freeze(index: number, millis: number, signal: AbortSignal): Promise<void> {
    this.#crowd.freeze(index);
    await pause(millis, signal);
    this.#crowd.thaw(index);
  }

  async #instance(trouble: InstanceTrouble, signal: AbortSignal): Promise<void> {
    const { pauseMillis, kind, instance: index, millis } = trouble;
    await pause(pauseMillis, signal);
    if (signal.aborted) return;
    const { instance } = this.#cluster.members[index];
    // Nobody reads the recorded requests, and there are many.
    for (const { proxy } of this.#cluster.members) proxy.takeRequests();
    this.#onEvent({ at: now(), instance: index, kind: "down", how: kind });
    if (kind === "kill") {
      await instance.restart();
    } else {
      instance.freeze();
      await pause(millis, signal);
      instance.thaw();
    }
    this.#onEvent({ at: now(), instance: index, kind: "up", how: kind });
  }
}

/** A pause of the plan, cut short at the end. */
async function pause(millis: number, signal: AbortSignal): Promise<void> {
  await setTimeout(millis, undefined, { signal }).catch(() => {});
}
