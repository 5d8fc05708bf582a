import { LeaseService } from "@streamkit/protocol";
import type { ClientContext } from "../context.ts";
import { StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { backoffMillis, delay } from "../retry/backoff.ts";
import { toDuration } from "../time.ts";
import { callUnary } from "../transport/call.ts";
import type { Lease } from "./leases.ts";
import { type Clocks, elapsedSince, type Moment, momentOf } from "./moment.ts";

/** Renewals per ttl. */
const RENEWALS = 3;
/**
 * Part of the ttl, counted from before the request that proved the lease was sent, for which it is taken for held.
 * Servers count the whole ttl from after they have seen it. The rest is for clocks that do not run at quite the same
 * rate, and for timers that are late.
 */
const PROVEN = 0.95;
/**
 * Looks at the clocks per ttl, at least. A timer does not count the time that the machine sleeps, so one for the whole
 * rest would be late by as much; a slice is late by no more than what the ttl has left beyond what is proven.
 */
const LOOKS = 20;
const MAX_SLICE_MILLIS = 60_000;

/**
 * Holds a lease: renews it at a third of its ttl, again and again when that fails, and gives it up before anybody else
 * can get it.
 *
 *   held -- renewed --> held
 *        -- LEASE_LOST, or not renewed in time --> lost
 *        -- stop() --> stopped
 */
export class HeldLease {
  readonly key: string;
  readonly holder: string;
  readonly fencingToken: bigint;
  readonly #context: ClientContext;
  readonly #storeId: string;
  readonly #ttl: number;
  readonly #clocks: Clocks;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  /** When the latest request was sent that proved it. */
  #proven: Moment;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  readonly #renewing: Promise<void>;

  /** @param sent when the request that took it was sent */
  constructor(context: ClientContext, storeId: string, lease: Lease, ttl: number, sent: Moment, clocks: Clocks) {
    this.#context = context;
    this.#storeId = storeId;
    this.key = lease.key;
    this.holder = lease.holder;
    this.fencingToken = lease.fencingToken;
    this.#ttl = ttl;
    this.#clocks = clocks;
    this.#proven = sent;
    this.#watch();
    this.#renewing = this.#renew();
  }

  /** Aborted, with a StreamkitError as the reason, as soon as the lease cannot be proven held any more. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Throws LEASE_LOST when the lease cannot be proven held any more, also when the timer has not fired yet.
   *
   * @returns the signal that tells when that is so later
   */
  check(): AbortSignal {
    // A process that was frozen comes back here before its timers run.
    if (this.#left <= 0) this.#lose("it was not renewed in time");
    this.#lost.signal.throwIfAborted();
    return this.#lost.signal;
  }

  /** Ends the renewals. */
  async stop(): Promise<void> {
    clearTimeout(this.#deadline);
    this.#stopped.abort();
    await this.#renewing;
  }

  /** How long the lease is proven, in milliseconds. */
  get #left(): number {
    return this.#ttl * PROVEN - elapsedSince(this.#proven, this.#clocks);
  }

  /**
   * Gives the lease up when it is over, also by an answer that was late and proves what is over already; else looks
   * again later.
   */
  #watch(): void {
    clearTimeout(this.#deadline);
    const left = this.#left;
    if (left <= 0) this.#lose("it was not renewed in time");
    else this.#deadline = setTimeout(() => this.#watch(), Math.min(left, this.#ttl / LOOKS, MAX_SLICE_MILLIS));
  }

  async #renew(): Promise<void> {
    const ending = AbortSignal.any([this.#lost.signal, this.#stopped.signal]);
    let failures = 0;
    while (!ending.aborted) {
      const pause = failures === 0 ? this.#ttl / RENEWALS : Math.min(this.#ttl / 10, backoffMillis(failures, {}));
      await delay(pause, ending).catch(() => {});
      if (ending.aborted) return;
      // Who wakes up when it is over does not renew: the server may count longer, and nobody would have the lease for
      // another ttl.
      if (this.#left <= 0) return this.#lose("it was not renewed in time");
      const sent = momentOf(this.#clocks);
      try {
        await this.#renewOnce(ending);
        failures = 0;
        if (ending.aborted) return;
        this.#proven = sent;
        this.#watch();
      } catch (thrown) {
        const error = toStreamkitError(thrown);
        failures += 1;
        // Whatever it is, it may pass; until then, time tells.
        if (error.reason === "LEASE_LOST") this.#lose("another holder has it, or it has expired", error);
      }
    }
  }

  async #renewOnce(signal: AbortSignal): Promise<void> {
    const { key, holder, fencingToken } = this;
    const storeId = this.#storeId;
    // Rather a second attempt than one that hangs.
    const settings = {
      ...this.#context,
      timeoutMillis: Math.min(this.#context.timeoutMillis, Math.ceil(this.#ttl / RENEWALS)),
    };
    const request = { storeId, key, holder, fencingToken, ttl: toDuration("ttl", this.#ttl) };
    await callUnary(settings, LeaseService.method.renewLease, request, signal);
  }

  #lose(why: string, cause?: unknown): void {
    clearTimeout(this.#deadline);
    const message = `lease "${this.key}" is lost: ${why}`;
    this.#lost.abort(new StreamkitError("LEASE_LOST", "failed_precondition", message, { cause }));
  }
}
