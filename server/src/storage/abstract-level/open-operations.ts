import { StoreClosedError } from "../../errors.ts";
import { storageError } from "./storage-error.ts";

/** Counts the operations in flight on one handle, so that closing can wait for them and refuse later ones. */
export class OpenOperations {
  #running = 0;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  /** @throws STORAGE_UNAVAILABLE once closed */
  assertOpen(): void {
    if (this.#closed) throw new StoreClosedError();
  }

  /** Runs one operation to its end, and translates its errors. */
  async run<Result>(operation: () => Promise<Result>): Promise<Result> {
    this.assertOpen();
    this.#running += 1;
    try {
      return await operation();
    } catch (error) {
      throw storageError(error);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#whenIdle?.();
    }
  }

  /** Refuses operations from now on and waits for those in flight. Called once. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
  }
}
