import { StoreClosedError } from "../../errors.ts";

/** Counts the operations in flight on one handle, so that closing can wait for them and refuse later ones. */
export class OpenOperations {
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  /** @throws STORAGE_UNAVAILABLE once closed */
  assertOpen(): void {
    if (this.#closed) throw new StoreClosedError();
  }

  /** Runs one operation to its end. */
  async run<Result>(operation: () => Promise<Result>): Promise<Result> {
    this.assertOpen();
    const running = operation();
    const settled = running.then(
      () => {},
      () => {},
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return running;
  }

  /** Refuses operations from now on, and waits for those in flight. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#running);
  }
}
