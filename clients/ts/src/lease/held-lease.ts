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
 * Part of the ttl for which a renewal proves the lease. The client counts from before it sent the renewal, and servers
 * count the whole ttl from after they saw it. The rest allows for clocks of different rates and for late timers.
 */
const PROVEN = 0.95;
/**
 * Least number of looks at the clocks per ttl. Timers do not count the time that the machine sleeps, so one timer for
 * the whole ttl could be late by as much. A slice is late by at most the part of the ttl that `PROVEN` leaves.
 */
const LOOKS = 20;
const MAX_SLICE_MILLIS = 60_000;

/**
 * Holds a lease: renews it after each third of its ttl, retries failed renewals, and gives the lease up before another
 * holder can get it.
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
  /** The moment before the client sent the latest request that proved the lease. */
  #proven: Moment;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  readonly #renewing: Promise<void>;

  /** @param sent the moment before the client sent the request that took the lease */
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

  /** Fires, with a StreamkitError as the reason, once the client cannot prove any more that it holds the lease. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Checks that the client can still prove that it holds the lease, also if the timer is late.
   *
   * @returns the signal that fires when the lease is lost
   * @throws StreamkitError LEASE_LOST
   */
  check(): AbortSignal {
    // A frozen process may get here before its timers run.
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

  /** Time until the proof of the lease ends, in milliseconds. */
  get #left(): number {
    return this.#ttl * PROVEN - elapsedSince(this.#proven, this.#clocks);
  }

  /**
   * Gives the lease up if its proof has ended, also right after a renewal whose answer came late; else looks again
   * later.
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
      // A late process does not renew: the server may still accept the renewal, and then no process could use the lease
      // for another ttl.
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
        // Any other failure may pass. If it lasts, the proof ends.
        if (error.reason === "LEASE_LOST") this.#lose("another holder has it, or it has expired", error);
      }
    }
  }

  async #renewOnce(signal: AbortSignal): Promise<void> {
    const { key, holder, fencingToken } = this;
    const storeId = this.#storeId;
    // A short timeout leaves time for a second attempt.
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
