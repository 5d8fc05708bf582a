import type { StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { isUnknownHost } from "../errors/mistake.ts";
import { backoffMillis, delay, type RetryEvent, type RetryOptions } from "./backoff.ts";

const DEFAULT_MAX_ATTEMPTS = 10;

/** What governs retries of a client. */
export interface RetryPolicy {
  readonly retry: RetryOptions;
  readonly onRetry: ((event: RetryEvent) => void) | undefined;
}

/**
 * Counts attempts in a row without progress, and waits between them. One per call, stream or session.
 */
export class Attempts {
  readonly #policy: RetryPolicy;
  readonly #maxAttempts: number;
  #failed = 0;

  constructor(policy: RetryPolicy, defaultMaxAttempts = DEFAULT_MAX_ATTEMPTS) {
    this.#policy = policy;
    this.#maxAttempts = policy.retry.maxAttempts ?? defaultMaxAttempts;
  }

  /** Something arrived: the next failure is a first one again. */
  progressed(): void {
    this.#failed = 0;
  }

  /** Waits before another attempt. Throws `error` when it cannot help, or was the last one that is allowed. */
  async again(error: StreamkitError, signal: AbortSignal | undefined): Promise<void> {
    this.#failed += 1;
    if (!error.retryable || this.#failed >= this.#allowed(error)) throw error;
    const delayMillis = backoffMillis(this.#failed, this.#policy.retry, error.retryAfterMillis);
    this.#policy.onRetry?.({ attempt: this.#failed, delayMillis, error });
    await delay(delayMillis, signal);
  }

  /** A host that nobody knows may be one that starts, and may be a typing error: nothing waits for it without end. */
  #allowed(error: StreamkitError): number {
    return isUnknownHost(error) ? Math.min(this.#maxAttempts, DEFAULT_MAX_ATTEMPTS) : this.#maxAttempts;
  }
}

/**
 * Runs an operation that may be repeated, until it succeeds, cannot succeed, or the attempts are used up.
 *
 * @param isFinal tells failures that are not to be retried, although another attempt might succeed
 */
export async function withRetry<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  operation: () => Promise<T>,
  isFinal: (error: StreamkitError) => boolean = () => false,
): Promise<T> {
  const attempts = new Attempts(policy);
  for (;;) {
    try {
      signal?.throwIfAborted();
      return await operation();
    } catch (thrown) {
      const error = toStreamkitError(thrown, signal);
      if (isFinal(error)) throw error;
      await attempts.again(error, signal);
    }
  }
}
