/** The reads that use long polling: all, none, or with "auto" those that get nothing from their stream. */
export type LongPolling = "auto" | "always" | "never";

/**
 * Divides the client's timeout: the part that a stream has for its first response before the client also tries a call.
 */
const DOUBT_SHARE = 6;
/** Longest wait for the first response of a stream before the client also tries a call, in milliseconds. */
const MAX_DOUBT_MILLIS = 5_000;
/** Divides that time: the part that the stream still has after the answer to the call. */
const GRACE_SHARE = 5;
/** Time for which a client uses no streams after a stream delivered nothing, in milliseconds. */
const DISTRUST_MILLIS = 600_000;

/**
 * Decides whether the streams of one client arrive. A proxy that holds responses back until their end lets single calls
 * through, but never an endless stream.
 *
 * A server sends the first response of every read at once. If the answer to a later call arrives first, by a margin
 * that a slow server does not explain, a proxy holds the stream back. A wrong decision costs speed only, since long
 * polling has the same guarantees.
 */
export class Streams {
  /** Wait for the first response of a stream before the client also tries a call, in milliseconds. */
  readonly doubtMillis: number;
  /** Wait for the stream after the answer to that call, in milliseconds. */
  readonly graceMillis: number;
  readonly #longPolling: LongPolling;
  #distrustedUntil = Number.NEGATIVE_INFINITY;

  constructor(longPolling: LongPolling, timeoutMillis: number) {
    this.#longPolling = longPolling;
    this.doubtMillis = Math.min(MAX_DOUBT_MILLIS, timeoutMillis / DOUBT_SHARE);
    this.graceMillis = this.doubtMillis / GRACE_SHARE;
  }

  /** True if new connections of reads poll from the start. */
  get avoided(): boolean {
    return this.#longPolling === "always" || performance.now() < this.#distrustedUntil;
  }

  /** True if long polling replaces a stream that delivers nothing. */
  get doubted(): boolean {
    return this.#longPolling === "auto";
  }

  /** Notes that a stream delivered nothing although the server answered a call. */
  distrust(): void {
    this.#distrustedUntil = performance.now() + DISTRUST_MILLIS;
  }
}
