import { StreamkitError } from "../errors/error.ts";
import { delay } from "../retry/backoff.ts";
import type { SubscriptionState } from "../state.ts";
import type { Subscription } from "../subscribe/subscription.ts";
import type { Inventory } from "./presence.ts";

/** The membership of a worker in its group. */
export class Membership implements AsyncDisposable {
  /**
   * Resolves after `close`. Rejects with StreamkitError if another worker took the id, if the connection failed for
   * good, or if `onChange` threw.
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
   * Resolves when the worker is registered for the first time. Rejects with `CANCELED` if it is closed before, and with
   * the error of `ended` if it fails before.
   */
  get joined(): Promise<void> {
    return this.#first.promise;
  }

  /** The latest inventory of the group. Empty before the worker is registered. */
  get workers(): Inventory {
    return this.#latest;
  }

  /** The present state of the connection. */
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
      // No effect after the worker was registered.
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

  /** Renews the registration at each interval: the server cannot tell a live stream from a silently cut one. */
  async #keepRenewing(renew: (signal: AbortSignal) => Promise<unknown>, interval: number): Promise<void> {
    const { signal } = this.#closing;
    // If the server refuses the interval, no renewal is sent.
    await this.joined.catch(() => {});
    for (let pause = interval; !signal.aborted; ) {
      await delay(pause, signal).catch(() => {});
      pause = interval;
      // Between two connections there is nothing to renew.
      if (signal.aborted || this.#subscription.state.name !== "live") continue;
      await renew(signal).catch((error: StreamkitError) => {
        // The next renewal may still be in time. The stream reports failures that retries cannot mend.
        if (error.retryable) pause = interval / 4;
      });
    }
  }
}
