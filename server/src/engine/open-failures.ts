import { ErrorReason } from "@streamkit/protocol";
import { type ErrorFacts, NotTriedError, ServerError } from "../errors.ts";

/** Shortest and longest pause between two attempts to open a store, in milliseconds. */
export const MIN_PAUSE_MILLIS = 500;
const MAX_PAUSE_MILLIS = 30_000;
/**
 * Most remembered stores. Callers choose the ids, so the number must be bounded. Beyond it, the oldest failure is
 * forgotten, and the next call tries that store again.
 */
const MAX_REMEMBERED = 1_024;

/** The facts of a failure, without the stack and the cause. */
interface Failure {
  readonly reason: ErrorReason;
  readonly message: string;
  readonly facts: Omit<ErrorFacts, "cause">;
  readonly count: number;
  /** End of the pause, as a time of `performance.now()`. */
  readonly until: number;
}

/**
 * Circuit breaker for stores that fail to open. After a failure, the server does not try the store again until a pause
 * is over. The pause doubles with each failure.
 */
export class OpenFailures {
  readonly #failures = new Map<string, Failure>();

  get size(): number {
    return this.#failures.size;
  }

  /** @throws NotTriedError with the reason of the failure and the rest of the pause, while the pause lasts */
  check(id: string): void {
    const failure = this.#failures.get(id);
    if (failure === undefined) return;
    const left = failure.until - performance.now();
    if (left <= 0) return;
    const { reason, message, facts } = failure;
    throw new NotTriedError(reason, message, { ...facts, retryAfterMillis: Math.ceil(left) });
  }

  failed(id: string, error: unknown): void {
    const count = (this.#failures.get(id)?.count ?? 0) + 1;
    const until = performance.now() + Math.min(MAX_PAUSE_MILLIS, MIN_PAUSE_MILLIS * 2 ** (count - 1));
    this.#failures.delete(id);
    if (this.#failures.size >= MAX_REMEMBERED) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    if (error instanceof ServerError) {
      const { cause: _, ...facts } = error.facts;
      this.#failures.set(id, { reason: error.reason, message: error.message, facts, count, until });
    } else {
      const message = "the store could not be opened";
      this.#failures.set(id, { reason: ErrorReason.INTERNAL, message, facts: {}, count, until });
    }
  }

  forget(id: string): void {
    this.#failures.delete(id);
  }

  clear(): void {
    this.#failures.clear();
  }
}
