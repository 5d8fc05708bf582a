import { StreamkitError } from "../errors/error.ts";
import { delay } from "../retry/backoff.ts";
import type { SubscriptionState } from "../state.ts";
import type { Subscription } from "../subscribe/subscription.ts";
import type { Inventory } from "./presence.ts";

/** A worker's place in its group. */
export class Membership implements AsyncDisposable {
  /**
   * Resolves when the membership was closed; rejects with StreamkitError when another worker took the id, or it has
   * failed, also because `onChange` threw.
   */
  readonly ended: Promise<void>;
  readonly #subscription: Subscription<Inventory>;
  readonly #closing = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  #latest: Inventory = [];

  /** @internal Made by `Presence.join`. */
  constructor(
    subscription: Subscription<Inventory>,
    renew: (signal: AbortSignal) => Promise<unknown>,
    interval: number,
    onChange: ((workers: Inventory) => void) | undefined,
  ) {
    this.#subscription = subscription;
    this.ended = this.#listen(onChange);
    this.ended.catch(() => {});
    this.#first.promise.catch(() => {});
    void this.#keepRenewing(renew, interval);
  }

  /**
   * Resolves when the worker is registered for the first time; rejects with `CANCELED` when it was closed before that.
   */
  get joined(): Promise<void> {
    return this.#first.promise;
  }

  /** The group as it was last heard of. */
  get workers(): Inventory {
    return this.#latest;
  }

  /** How the connection is doing. */
  get state(): SubscriptionState {
    return this.#subscription.state;
  }

  /** Leaves the group. */
  async close(): Promise<void> {
    this.#subscription.close();
    await this.ended.catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listen(onChange: ((workers: Inventory) => void) | undefined): Promise<void> {
    try {
      await this.#subscription.deliver((workers) => {
        this.#latest = workers;
        this.#first.resolve();
        onChange?.(workers);
      });
      // Too late for a worker that is registered.
      this.#first.reject(
        new StreamkitError("CANCELED", "canceled", "the membership was closed before it was registered"),
      );
    } catch (error) {
      this.#first.reject(error);
      throw error;
    } finally {
      this.#closing.abort();
    }
  }

  /** A stream that was cut silently looks alive to the server: renewals show that its worker is. */
  async #keepRenewing(renew: (signal: AbortSignal) => Promise<unknown>, interval: number): Promise<void> {
    const { signal } = this.#closing;
    // Where the interval is refused, it never comes to that.
    await this.joined.catch(() => {});
    for (let pause = interval; !signal.aborted; ) {
      await delay(pause, signal).catch(() => {});
      pause = interval;
      // Between two connections there is nothing to renew.
      if (signal.aborted || this.#subscription.state.name !== "live") continue;
      await renew(signal).catch((error: StreamkitError) => {
        // Others may still get through in time. What cannot be helped shows on the stream.
        if (error.retryable) pause = interval / 4;
      });
    }
  }
}
