/** Holds a reader back until the gate is opened. An open gate stays open. */
export class Gate {
  #open: boolean;
  #waiting: (() => void) | undefined;

  constructor(open: boolean) {
    this.#open = open;
  }

  open(): void {
    this.#open = true;
    this.#waiting?.();
  }

  /** Resolves once the gate is open or the signal is aborted. */
  async passed(signal: AbortSignal): Promise<void> {
    if (this.#open || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#waiting = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}
