/** Which reads use long polling: every read, none, or those that get nothing from their stream. */
export type LongPolling = "auto" | "always" | "never";

/** The share of the client's timeout that a stream has for its first response before a single call is tried as well. */
const DOUBT_SHARE = 6;
/** Longest wait for the first response of a stream before a single call is tried as well, in milliseconds. */
const MAX_DOUBT_MILLIS = 5_000;
/** The share of that time that a stream has left once the single call was answered. */
const GRACE_SHARE = 5;
/** How long a client uses no streams after one delivered nothing, in milliseconds. */
const DISTRUST_MILLIS = 600_000;

/**
 * Whether the streams of one client arrive. A proxy that holds a response back until its end lets single calls
 * through, and never a stream that has no end.
 *
 * A server sends the first response of every read at once. So a stream is held back if a call that was sent later is
 * answered earlier, by a margin that a slow server does not explain. A mistake costs speed only: long polling has the
 * same guarantees.
 */
export class Streams {
  /** How long a stream may take for its first response before a single call is tried as well, in milliseconds. */
  readonly doubtMillis: number;
  /** How much longer it may take than that call, in milliseconds. */
  readonly graceMillis: number;
  private readonly longPolling: LongPolling;
  private distrustedUntil = Number.NEGATIVE_INFINITY;

  constructor(longPolling: LongPolling, timeoutMillis: number) {
    this.longPolling = longPolling;
    this.doubtMillis = Math.min(MAX_DOUBT_MILLIS, timeoutMillis / DOUBT_SHARE);
    this.graceMillis = this.doubtMillis / GRACE_SHARE;
  }

  /** True when a new connection of a read polls from the start. */
  get avoided(): boolean {
    return this.longPolling === "always" || performance.now() < this.distrustedUntil;
  }

  /** True when a stream that delivers nothing is replaced. */
  get doubted(): boolean {
    return this.longPolling === "auto";
  }

  /** Notes that a stream delivered nothing while a call was answered. */
  distrust(): void {
    this.distrustedUntil = performance.now() + DISTRUST_MILLIS;
  }
}
