/** Calls whose response is not out yet, so that a server that closes can let them be answered. */
export class OpenCalls {
  readonly #calls = new Set<Promise<void>>();

  /** Counts a call until the function that it returns is called. */
  open(): () => void {
    let answered: () => void = () => undefined;
    const call = new Promise<void>((resolve) => {
      answered = resolve;
    });
    this.#calls.add(call);
    return () => {
      this.#calls.delete(call);
      answered();
    };
  }

  /** Resolves when the calls that are open now are answered, at the latest after so many milliseconds. */
  async settled(graceMillis: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMillis);
    });
    await Promise.race([Promise.all(this.#calls), grace]);
    clearTimeout(timer);
  }
}
