import { timerMillis } from "../silence.ts";

/** Runs while a server owes an answer, and calls `onOverdue` if it owes one for too long. */
export class AnswerClock {
  readonly #millis: number;
  readonly #onOverdue: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(millis: number, onOverdue: () => void) {
    this.#millis = timerMillis(millis);
    this.#onOverdue = onOverdue;
  }

  /** Starts the clock, unless it runs already. */
  owed(): void {
    this.#timer ??= setTimeout(this.#onOverdue, this.#millis);
  }

  /** Stops the clock, after an answer or when the server owes none any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
