const FIRST_PAUSE_MILLIS = 100;
const MAX_PAUSE_MILLIS = 3_000;

/** How long to wait before the next attempt to connect: longer with each failure, up to a few seconds, and for ever. */
export class Backoff {
  #failures = 0;
  #connectedSince: number | undefined;

  connected(): void {
    this.#connectedSince = performance.now();
  }

  /** Milliseconds to wait after a failed attempt or a lost connection. */
  next(): number {
    // A server that lets in and throws out at once is no better than one that is down.
    const lasted = performance.now() - (this.#connectedSince ?? performance.now());
    if (lasted > MAX_PAUSE_MILLIS) this.#failures = 0;
    this.#connectedSince = undefined;
    const pause = Math.min(MAX_PAUSE_MILLIS, FIRST_PAUSE_MILLIS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    // Instances lose the same server at the same time and should not come back as one.
    return pause * (0.5 + 0.5 * Math.random());
  }
}
