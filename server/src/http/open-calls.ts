interface Waiting {
  /** The calls among those at the beginning of the wait that are still open. */
  readonly calls: Set<object>;
  readonly answered: () => void;
}

/** Calls whose response is not out yet. A server that closes waits for their answers. */
export class OpenCalls {
  readonly #calls = new Set<object>();
  readonly #waiting = new Set<Waiting>();

  /** Counts a call as open until the caller calls the returned function. */
  open(): () => void {
    const close = () => {
      this.#calls.delete(close);
      for (const { calls, answered } of this.#waiting) {
        calls.delete(close);
        if (calls.size === 0) answered();
      }
    };
    this.#calls.add(close);
    return close;
  }

  /** Resolves once all calls that are open now have their answers, after `graceMillis` at the latest. */
  async settled(graceMillis: number): Promise<void> {
    if (this.#calls.size === 0) return;
    await new Promise<void>((resolve) => {
      const answered = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        resolve();
      };
      const timer = setTimeout(answered, graceMillis);
      const waiting = { calls: new Set(this.#calls), answered };
      this.#waiting.add(waiting);
    });
  }
}
