import type { ClientContext } from "../context.ts";
import { Cursors } from "../cursor/cursors.ts";
import { StreamkitError } from "../errors/error.ts";
import { fenced } from "../lease/fence.ts";
import { withLease } from "../lease/with-lease.ts";
import { CALL_OPTIONS, checkOptions, millis } from "../options.ts";
import { randomId } from "../random-id.ts";
import { backoffMillis, delay } from "../retry/backoff.ts";
import { timerMillis, unlessAborted } from "../silence.ts";
import type { ConsumerState } from "../state.ts";
import type { ConsumedStore } from "./consumed-store.ts";
import { limitLastCalls } from "./last-calls.ts";
import { type ConsumerOptions, checkConsumerOptions } from "./options.ts";
import { type ConsumerCounts, Stint } from "./stint.ts";

/** What a consumer has done, in this process. */
export interface ConsumerMetrics extends Readonly<ConsumerCounts> {
  /** Space -> offset of the last entry up to which everything was handled. */
  readonly offsets: ReadonlyMap<string, number>;
}

const STOP_OPTIONS = { grace: millis(0, Number.POSITIVE_INFINITY) };

/** Makes a store handle for a context. */
export type StoreFactory<Store> = (context: ClientContext) => Store;

/**
 * Reads several spaces from a durable cursor and hands each entry to a handler, at least once, in order within a
 * segment. Commits the cursor after handling, so a crash repeats entries and never loses one.
 */
export class Consumer<Out, Store extends ConsumedStore<Out>> implements AsyncDisposable {
  readonly #context: ClientContext;
  readonly #storeId: string;
  readonly #open: StoreFactory<Store>;
  readonly #options: ConsumerOptions<Out, Store>;
  readonly #stopping = new AbortController();
  readonly #aborting = new AbortController();
  readonly #counts: ConsumerCounts = { handled: 0, failures: 0, skipped: 0, parked: 0, commits: 0 };
  #current: ConsumerState = { name: "idle" };
  /** While it runs. */
  #stint: Stint<Out, Store> | undefined;
  /** How far the stints came that have ended. */
  #reached: ReadonlyMap<string, number> = new Map();
  #running: Promise<void> | undefined;

  /** @internal Made by `StoreHandle.consumer`. */
  constructor(
    context: ClientContext,
    storeId: string,
    open: StoreFactory<Store>,
    options: ConsumerOptions<Out, Store>,
  ) {
    checkConsumerOptions(options);
    this.#context = context;
    this.#storeId = storeId;
    this.#open = open;
    this.#options = options;
  }

  /** How it is doing, and why. */
  get state(): ConsumerState {
    return this.#current;
  }

  /** True while this process has the cursor, and with `exclusive` the lease: also while it reconnects. */
  get active(): boolean {
    return this.#stint?.isLost === false;
  }

  /** What it has done so far. */
  get metrics(): ConsumerMetrics {
    return { ...this.#counts, offsets: this.#stint?.offsets ?? this.#reached };
  }

  /**
   * Entries that are committed to each space and not handled yet, by this process while it is active, otherwise
   * according to the cursor. Negative where the cursor is beyond the head, by so many. Asks the server; costs one call
   * per space, and one for the cursor.
   */
  async lag(options: { signal?: AbortSignal } = {}): Promise<ReadonlyMap<string, number>> {
    checkOptions("consumer.lag", options, CALL_OPTIONS);
    const store = this.#open(this.#context);
    // Somebody else may have gone on since a stint ended, or has lost its lease.
    const own = this.active ? this.#stint?.offsets : undefined;
    const offsets = own ?? (await this.#cursors.get(this.#options.name, options))?.offsets ?? new Map<string, number>();
    const lags = this.#options.spaces.map(async (space): Promise<[string, number]> => {
      const { firstOffset, lastOffset } = await store.space(space).status(options);
      // What was trimmed cannot be handled any more.
      const from = Math.max(offsets.get(space) ?? 0, firstOffset - 1);
      return [space, lastOffset - from];
    });
    return new Map(await Promise.all(lags));
  }

  /**
   * Runs until it is stopped. Goes on by itself after transient failures; with `exclusive`, stands by while another
   * process is active, and again after it has lost the lease. Rejects with what it cannot go on after: the handler's
   * error, when that is what was decided, or a StreamkitError.
   */
  run(): Promise<void> {
    this.#running ??= this.#runUnderSignal();
    return this.#running;
  }

  /**
   * Stops: begins nothing more, waits for the handlers that run, commits, and gives the lease back.
   *
   * @param options.grace how long handlers may take, in milliseconds, before their signal fires; then the commit may
   *   take a second, and giving the lease back another one. Default: for ever
   */
  async stop(options: { grace?: number } = {}): Promise<void> {
    checkOptions("consumer.stop", options, STOP_OPTIONS);
    this.#stopping.abort();
    const { grace } = options;
    const timer =
      grace === undefined ? undefined : setTimeout(() => this.#aborting.abort(outOfGrace()), timerMillis(grace));
    try {
      // A failure is told by `run`.
      await this.#running?.catch(() => {});
      if (this.#running === undefined) this.#enter({ name: "ended", reason: undefined });
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #cursors(): Cursors {
    return new Cursors(this.#context, this.#storeId);
  }

  /** The caller's signal may live for longer than the consumer: nothing is left on it. */
  async #runUnderSignal(): Promise<void> {
    const { signal } = this.#options;
    const onAbort = () => this.#stopping.abort();
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort);
    try {
      await this.#keepRunning();
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #keepRunning(): Promise<void> {
    for (let failures = 0; ; ) {
      const before = this.#counts.commits;
      try {
        if (!this.#stopping.signal.aborted) await this.#runOnce();
        this.#enter({ name: "ended", reason: undefined });
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted && isEnding(error)) {
          this.#enter({ name: "ended", reason: undefined });
          return;
        }
        if (!(error instanceof StreamkitError) || !this.#mayGoOn(error)) {
          this.#enter({ name: "ended", reason: error });
          throw error;
        }
        failures = this.#counts.commits > before ? 1 : failures + 1;
        const delayMillis = backoffMillis(failures, this.#context.retry);
        this.#enter({ name: "retrying", reason: error, attempt: failures, delayMillis });
        await delay(delayMillis, this.#stopping.signal).catch(() => {});
      }
    }
  }

  async #runOnce(): Promise<void> {
    const { exclusive } = this.#options;
    if (exclusive === undefined || exclusive === false) {
      return this.#runStint(this.#context, new AbortController().signal);
    }
    const { ttl, key = `consumer/${this.#options.name}`, holder } = exclusive;
    const lease = {
      ttl,
      // Whoever asks with the same name has the same lease; so each stint has one of its own.
      ...(holder !== undefined && { holder: `${holder} ${randomId().slice(0, 8)}` }),
      onHeld: () => this.#enter({ name: "standby" }),
      signal: this.#stopping.signal,
    };
    const overdue = new AbortController();
    let unlimited = limitLastCalls(this.#aborting.signal, overdue);
    let working: Promise<void> | undefined;
    const leasing = withLease(this.#context, this.#storeId, key, lease, (held) => {
      unlimited();
      const fence = { token: held.fencingToken, check: () => held.check() };
      working = this.#runStint(fenced(this.#context, fence), held.signal).finally(() => {
        unlimited = limitLastCalls(this.#aborting.signal, overdue);
      });
      return working;
    });
    try {
      // Without an answer, giving a lease back takes a part of its ttl: that goes on by itself then.
      await unlessAborted(leasing, overdue.signal);
    } catch (error) {
      if (overdue.signal.aborted) await working;
      throw error;
    } finally {
      unlimited();
    }
  }

  async #runStint(context: ClientContext, lost: AbortSignal): Promise<void> {
    const options = this.#options;
    const counts = this.#counts;
    const cursors = this.#cursors;
    const stopping = this.#stopping.signal;
    const aborting = this.#aborting.signal;
    const { fencingToken } = context;
    const stint = new Stint({
      store: this.#open(context),
      fencingToken,
      cursors,
      options,
      counts,
      onStateChange: (state) => this.#enter(state),
      lost,
      stopping,
      aborting,
    });
    this.#stint = stint;
    this.#enter({ name: "connecting" });
    try {
      await stint.run();
    } finally {
      this.#reached = stint.offsets ?? this.#reached;
      this.#stint = undefined;
    }
  }

  /** Whether another stint may succeed. */
  #mayGoOn(error: StreamkitError): boolean {
    if (error.retryable) return true;
    // Another process has taken over; if nobody else is meant to run, that is a mistake to be told.
    const isLoss = ["LEASE_LOST", "FENCED", "CURSOR_CONFLICT"].includes(error.reason);
    return isLoss && this.#options.exclusive !== undefined && this.#options.exclusive !== false;
  }

  #enter(state: ConsumerState): void {
    if (this.#current.name === state.name && state.name !== "retrying") return;
    this.#current = state;
    this.#options.onStateChange?.(state);
  }
}

function outOfGrace(): StreamkitError {
  return new StreamkitError("CANCELED", "canceled", "the consumer was stopped, and its handlers took too long");
}

/** What a consumer ends with that was stopped while it waited for something. */
function isEnding(error: unknown): boolean {
  return error instanceof StreamkitError && (error.reason === "CANCELED" || error.reason === "LEASE_LOST");
}
