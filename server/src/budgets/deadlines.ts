/** Something that has to come about in time. */
interface Waiting {
  readonly due: number;
  readonly onLate: () => void;
}

/** How late a deadline may be noticed, as a part of its length. */
const PRECISION = 1 / 8;

/**
 * Deadlines of one length, for any number of calls: one timer for all of them, which runs only while there are some.
 * Beginning and ending one costs an insertion and a removal.
 */
export class Deadlines {
  readonly #millis: number;
  /** In order of their begin, so of their end. */
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;

  /** @param millis the length of every deadline */
  constructor(millis: number) {
    this.#millis = millis;
  }

  /** Calls `onLate` when the deadline passes before the result is disposed. */
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
