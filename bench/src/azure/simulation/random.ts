/** A small generator of random numbers that repeats itself for the same seed (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Spreads seeds that differ in one bit, and avoids the one state that xorshift cannot leave.
    this.#state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) | 1;
    for (let turn = 0; turn < 8; turn++) this.next();
  }

  /** A number from 0 (inclusive) to 1 (exclusive). */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) / 2 ** 32;
  }

  /** Time until the next of several independent events, with an average of `perMilli` events per millisecond. */
  exponential(perMilli: number): number {
    return -Math.log(1 - this.next()) / perMilli;
  }
}
