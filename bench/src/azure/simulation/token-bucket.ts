/** Savings of a bucket, in seconds of its rate, that may be used at once. */
const BURST_SECONDS = 0.1;

/** Limits a rate. A large request may overdraw the bucket, and further requests wait until it has recovered. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #filledAt = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond * BURST_SECONDS;
  }

  /** Takes tokens at the time `now` (milliseconds). Returns false, and takes none, if the bucket is empty. */
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
