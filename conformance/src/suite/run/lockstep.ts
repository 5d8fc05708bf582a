/**
 * Lets many cases pass the gaps between their steps together, so that one restart of the server serves all of them.
 *
 * A case enters, arrives at each gap, and leaves. Once every entered case is at a gap, the action runs once and all
 * cases continue.
 */
export class Lockstep {
  readonly #action: () => Promise<void>;
  #entered = 0;
  #waiting: (() => void)[] = [];
  #failed: ((error: unknown) => void)[] = [];

  /** @param action runs in each gap */
  constructor(action: () => Promise<void>) {
    this.#action = action;
  }

  enter(): void {
    this.#entered += 1;
  }

  leave(): void {
    this.#entered -= 1;
    this.#passIfComplete();
  }

  /** Resolves after the action; rejects if the action fails. */
  gap(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      this.#failed.push(reject);
      this.#passIfComplete();
    });
  }

  #passIfComplete(): void {
    if (this.#waiting.length === 0 || this.#waiting.length < this.#entered) return;
    const waiting = this.#waiting;
    const failed = this.#failed;
    this.#waiting = [];
    this.#failed = [];
    this.#action().then(
      () => {
        for (const resolve of waiting) resolve();
      },
      (error: unknown) => {
        for (const reject of failed) reject(error);
      },
    );
  }
}
