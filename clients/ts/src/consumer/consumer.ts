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

/** Counts of a consumer in this process. */
export interface ConsumerMetrics extends Readonly<ConsumerCounts> {
  /** Space -> offset of the last entry up to which all entries are handled. */
  readonly offsets: ReadonlyMap<string, number>;
}

const STOP_OPTIONS = { grace: millis(0, Number.POSITIVE_INFINITY) };

/** Makes a store handle for a context. */
export type StoreFactory<Store> = (context: ClientContext) => Store;

/**
 * Reads several spaces from a durable cursor and hands each entry to a handler, at least once, in order within a
 * segment. The consumer commits the cursor after the handler, so a crash can repeat entries but never loses one.
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
  /** The stint that runs now. */
  #stint: Stint<Out, Store> | undefined;
  /** Offsets of the latest stint that has ended. */
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

  /** The present state, with its reason. */
  get state(): ConsumerState {
    return this.#current;
  }

  /** True while this process owns the cursor, and with `exclusive` the lease; also during a reconnect. */
  get active(): boolean {
    return this.#stint?.isLost === false;
  }

  /** The counts and offsets so far. */
  get metrics(): ConsumerMetrics {
    return { ...this.#counts, offsets: this.#stint?.offsets ?? this.#reached };
  }

  /**
   * Number of unhandled entries by space: of this process while it is active, otherwise according to the cursor. The
   * number is negative if the cursor is beyond the head. Costs one call per space, and one for the cursor of an
   * inactive consumer.
   */
  async lag(options: { signal?: AbortSignal } = {}): Promise<ReadonlyMap<string, number>> {
    checkOptions("consumer.lag", options, CALL_OPTIONS);
    const store = this.#open(this.#context);
    // After the end of a stint, or the loss of its lease, another process may have moved the cursor on.
    const own = this.active ? this.#stint?.offsets : undefined;
    const offsets = own ?? (await this.#cursors.get(this.#options.name, options))?.offsets ?? new Map<string, number>();
    const lags = this.#options.spaces.map(async (space): Promise<[string, number]> => {
      const { firstOffset, lastOffset } = await store.space(space).status(options);
      // Trimmed entries cannot be handled any more.
      const from = Math.max(offsets.get(space) ?? 0, firstOffset - 1);
      return [space, lastOffset - from];
    });
    return new Map(await Promise.all(lags));
  }

  /**
   * Runs until `stop` or the signal, and resolves then. Continues by itself after transient failures. With `exclusive`,
   * stands by while another process is active, also after the loss of the lease.
   *
   * @throws the handler's error if the decision was "stop", or a StreamkitError that retries cannot mend
   */
  run(): Promise<void> {
    this.#running ??= this.#runUnderSignal();
    return this.#running;
  }

  /**
   * Stops the consumer: starts no more handlers, waits for running ones, commits the cursor, and gives the lease back.
   *
   * @param options.grace time for running handlers, in milliseconds. After it their signal fires; the commit may then
   *   take one second, and the return of the lease another one. Default: no limit
   */
  async stop(options: { grace?: number } = {}): Promise<void> {
    checkOptions("consumer.stop", options, STOP_OPTIONS);
    this.#stopping.abort();
    const { grace } = options;
    const timer =
      grace === undefined ? undefined : setTimeout(() => this.#aborting.abort(outOfGrace()), timerMillis(grace));
    try {
      // `run` reports a failure.
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

  /** Runs, and then removes its listener from the caller's signal, which may live longer than the consumer. */
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
      // A holder with the same name would share the lease, so each stint gets a name of its own.
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
      // If the server does not answer, the return of the lease takes a part of its ttl. `stop` does not wait for it.
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

  /** True if another stint may succeed. */
  #mayGoOn(error: StreamkitError): boolean {
    if (error.retryable) return true;
    // Another process has taken over. Without `exclusive` only one process should run, so this is a mistake to report.
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

/** True for the error of a wait that `stop` ended. */
function isEnding(error: unknown): boolean {
  return error instanceof StreamkitError && (error.reason === "CANCELED" || error.reason === "LEASE_LOST");
}
