/** Allows a number of events at once, and a number of further events per second. */
export class TokenBucket {
  readonly #most: number;
  readonly #perSecond: number;
  #tokens: number;
  #filledAt = performance.now();

  /**
   * @param most events that are allowed at once
   * @param perSecond further events that are allowed per second
   */
  constructor(most: number, perSecond: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#tokens = most;
  }

  /** Counts an event. Returns false if the event exceeds the limit. */
  take(): boolean {
    const now = performance.now();
    this.#tokens = Math.min(this.#most, this.#tokens + ((now - this.#filledAt) / 1_000) * this.#perSecond);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
