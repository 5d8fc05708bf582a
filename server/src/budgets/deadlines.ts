/** A party with a deadline. */
interface Waiting {
  readonly due: number;
  readonly onLate: () => void;
}

/** Longest delay after a deadline, as a part of its length. */
const PRECISION = 1 / 8;

/**
 * Deadlines of one length, for any number of calls. All of them share one timer, which runs only while there are some.
 * A deadline costs one insertion and one removal.
 */
export class Deadlines {
  readonly #millis: number;
  /** In the order of their start, and therefore of their end. */
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;

  /** @param millis the length of every deadline */
  constructor(millis: number) {
    this.#millis = millis;
  }

  /** Calls `onLate` if the deadline passes before the result is disposed. */
  begin(onLate: () => void): Disposable {
    const waiting = { due: performance.now() + this.#millis, onLate };
    this.#waiting.add(waiting);
    this.#timer ??= setInterval(() => this.#look(), this.#millis * PRECISION).unref();
    return { [Symbol.dispose]: () => void this.#waiting.delete(waiting) };
  }

  #look(): void {
    const now = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.due > now) break;
      this.#waiting.delete(waiting);
      waiting.onLate();
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
