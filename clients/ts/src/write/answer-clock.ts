import { timerMillis } from "../silence.ts";

/** Runs while a server owes an answer, and tells when it has owed one for too long. */
export class AnswerClock {
  readonly #millis: number;
  readonly #onOverdue: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(millis: number, onOverdue: () => void) {
    this.#millis = timerMillis(millis);
    this.#onOverdue = onOverdue;
  }

  /** Something is owed: the clock runs from now on, unless it runs already. */
  owed(): void {
    this.#timer ??= setTimeout(this.#onOverdue, this.#millis);
  }

  /** Nothing is owed any more, or something was answered. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
