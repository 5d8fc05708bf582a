/** How much of a second's worth may be used at once. */
const BURST_SECONDS = 0.1;

/**
 * Lets through so much per second. Something large may overdraw it, and then everybody waits until that is made up for.
 */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #filledAt = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond * BURST_SECONDS;
  }

  /** Takes tokens for something that happens now (milliseconds); false, and takes none, when there are none left. */
  take(tokens: number, now: number): boolean {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return true;
    const filled = this.#tokens + ((now - this.#filledAt) / 1_000) * this.#perSecond;
    this.#tokens = Math.min(filled, this.#perSecond * BURST_SECONDS);
    this.#filledAt = now;
    if (this.#tokens <= 0) return false;
    this.#tokens -= tokens;
    return true;
  }
}
