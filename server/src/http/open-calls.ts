/** Calls whose response is not out yet. A server that closes waits for their answers. */
export class OpenCalls {
  readonly #calls = new Set<Promise<void>>();

  /** Counts a call as open until the caller calls the returned function. */
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

  /** Resolves once all calls that are open now have their answers, after `graceMillis` at the latest. */
  async settled(graceMillis: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMillis);
    });
    await Promise.race([Promise.all(this.#calls), grace]);
    clearTimeout(timer);
  }
}
