import { connectionLost, StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { type ChecksOf, callback, signal } from "../options.ts";
import type { RetryEvent } from "../retry/backoff.ts";
import { Attempts, type RetryPolicy } from "../retry/retry.ts";
import { unlessAborted } from "../silence.ts";
import { callbackFailed, type SubscriptionState } from "../state.ts";

/** Options of all subscriptions. */
export interface SubscriptionOptions {
  /** Called with each new state. If the function throws, the subscription ends. */
  readonly onStateChange?: (state: SubscriptionState) => void;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

export const SUBSCRIPTION_OPTIONS = { onStateChange: callback, signal } satisfies ChecksOf<SubscriptionOptions>;

/** The source of a subscription's events. */
export interface SubscriptionSource<E> {
  /** Makes a connection. `undefined` stands for a heartbeat, which readers do not see. */
  open(signal: AbortSignal): AsyncIterable<E | undefined>;
  /** True for the event that completes a snapshot. */
  isLive(event: E): boolean;
}

/** One connection of a subscription. */
interface Connection<E> {
  readonly events: AsyncIterator<E | undefined>;
  readonly controller: AbortController;
  /** True once its snapshot is complete. */
  live: boolean;
}

/**
 * A stream of events that starts with a snapshot. After a broken connection it reconnects by itself and starts with a
 * snapshot again. It is an async iterable for one reader. A slow reader gets fewer events, but never stale ones.
 */
export class Subscription<E> implements AsyncIterableIterator<E, undefined, undefined>, AsyncDisposable {
  readonly #source: SubscriptionSource<E>;
  readonly #attempts: Attempts;
  readonly #lifetime = new AbortController();
  readonly #options: SubscriptionOptions;
  readonly #onAbort = () => this.close();
  #current: SubscriptionState = { name: "connecting" };
  #begun = false;
  #connection: Connection<E> | undefined;

  /** @internal Made by the handles that can be subscribed to. */
  constructor(source: SubscriptionSource<E>, policy: RetryPolicy, options: SubscriptionOptions) {
    this.#source = source;
    this.#options = options;
    // A subscription outlives its servers, so its attempts have no limit.
    const onRetry = (event: RetryEvent): void => {
      const { attempt, delayMillis } = event;
      policy.onRetry?.(event);
      this.#enter({ name: "retrying", reason: event.error as StreamkitError, attempt, delayMillis });
    };
    this.#attempts = new Attempts({ retry: policy.retry, onRetry }, Number.POSITIVE_INFINITY);
    if (options.signal?.aborted) this.close();
    else options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The present state, with its reason. */
  get state(): SubscriptionState {
    return this.#current;
  }

  /** Gives the next event; done after `close`. Rejects with StreamkitError if the subscription failed for good. */
  async next(): Promise<IteratorResult<E, undefined>> {
    for (;;) {
      if (this.#current.name === "ended") {
        if (this.#current.reason !== undefined) throw this.#current.reason;
        return { done: true, value: undefined };
      }
      if (!this.#begun) {
        this.#begun = true;
        this.#enter({ name: "connecting" });
        continue;
      }
      try {
        const event = await this.#attempt();
        if (event === undefined) continue;
        if (this.#source.isLive(event)) this.#enter({ name: "live" });
        return { done: false, value: event };
      } catch (thrown) {
        await this.#recover(thrown);
      }
    }
  }

  /** Ends the subscription and frees its connection. */
  close(): void {
    this.#end(undefined);
  }

  /**
   * @internal Calls a function with each event until the subscription is closed. If the function throws, the
   *   subscription fails.
   */
  async deliver(callback: (event: E) => void): Promise<void> {
    for await (const event of this) {
      try {
        callback(event);
      } catch (thrown) {
        throw this.#fail(thrown);
      }
    }
  }

  async return(): Promise<IteratorResult<E, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #attempt(): Promise<E | undefined> {
    const source = this.#source;
    this.#connection ??= this.#connect();
    const connection = this.#connection;
    const result = await unlessAborted(connection.events.next(), this.#lifetime.signal);
    if (result.done) throw connectionLost("the server ended the subscription");
    // Progress means an event after the snapshot: a connection that always breaks may still deliver snapshots.
    if (connection.live) this.#attempts.progressed();
    else connection.live = result.value !== undefined && source.isLive(result.value);
    return result.value;
  }

  #connect(): Connection<E> {
    const controller = new AbortController();
    return { events: this.#source.open(controller.signal)[Symbol.asyncIterator](), controller, live: false };
  }

  async #recover(thrown: unknown): Promise<void> {
    this.#disconnect();
    if (this.#ended) return;
    const reason = toStreamkitError(thrown, this.#lifetime.signal);
    try {
      await this.#attempts.again(reason, this.#lifetime.signal);
    } catch (final) {
      this.#end(toStreamkitError(final));
    }
  }

  get #ended(): boolean {
    return this.#current.name === "ended";
  }

  /** Enters the last state, unless the subscription has ended already, and frees everything. */
  #end(reason: StreamkitError | undefined): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#disconnect();
    this.#enter({ name: "ended", reason });
    this.#lifetime.abort();
  }

  /** Ends the subscription with the error of one of the caller's functions. */
  #fail(thrown: unknown): StreamkitError {
    const reason = thrown instanceof StreamkitError ? thrown : callbackFailed("a callback of the subscription", thrown);
    this.#end(reason);
    return reason;
  }

  #enter(state: SubscriptionState): void {
    if (this.#ended || (this.#current.name === "live" && state.name === "live")) return;
    this.#current = state;
    try {
      this.#options.onStateChange?.(state);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #disconnect(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    connection.controller.abort();
    connection.events.return?.().then(undefined, () => {});
  }
}
