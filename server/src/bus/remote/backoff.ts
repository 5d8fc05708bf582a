const FIRST_PAUSE_MILLIS = 100;
const MAX_PAUSE_MILLIS = 3_000;

/** The pause before each attempt to connect. It grows with every failure, up to a few seconds; attempts never end. */
export class Backoff {
  #failures = 0;
  #connectedSince: number | undefined;

  connected(): void {
    this.#connectedSince = performance.now();
  }

  /** Milliseconds to wait after a failed attempt or a lost connection. */
  next(): number {
    // A server that accepts a connection and drops it at once counts as a server that is down.
    const lasted = performance.now() - (this.#connectedSince ?? performance.now());
    if (lasted > MAX_PAUSE_MILLIS) this.#failures = 0;
    this.#connectedSince = undefined;
    const pause = Math.min(MAX_PAUSE_MILLIS, FIRST_PAUSE_MILLIS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    // Instances that lose the same server at the same time should reconnect at different times.
    return pause * (0.5 + 0.5 * Math.random());
  }
}
