/** The processors of a machine. Each does one task at a time, in the order of arrival. */
export class Processors {
  readonly #freeAt: number[];

  constructor(count: number) {
    this.#freeAt = Array.from({ length: count }, () => 0);
  }

  /** Accepts a task now. Returns the time of its end. */
  work(now: number, millis: number): number {
    let soonest = 0;
    for (let index = 1; index < this.#freeAt.length; index++) {
      if (this.#freeAt[index] < this.#freeAt[soonest]) soonest = index;
    }
    const end = Math.max(now, this.#freeAt[soonest]) + millis;
    this.#freeAt[soonest] = end;
    return end;
  }
}
