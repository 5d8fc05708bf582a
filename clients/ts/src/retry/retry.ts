import { isUnknownHost } from "#errors/system-mistake";
import type { StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { backoffMillis, delay, type RetryEvent, type RetryOptions } from "./backoff.ts";

const DEFAULT_MAX_ATTEMPTS = 10;

/** The options of a client's retries. */
export interface RetryPolicy {
  readonly retry: RetryOptions;
  readonly onRetry: ((event: RetryEvent) => void) | undefined;
}

/** Counts attempts in a row without progress, and waits between them. Each call, stream or session has its own. */
export class Attempts {
  readonly #policy: RetryPolicy;
  readonly #maxAttempts: number;
  #failed = 0;
  /** True if the server has refused a token since the last progress. */
  #wasRefused = false;

  constructor(policy: RetryPolicy, defaultMaxAttempts = DEFAULT_MAX_ATTEMPTS) {
    this.#policy = policy;
    this.#maxAttempts = policy.retry.maxAttempts ?? defaultMaxAttempts;
  }

  /** Notes progress, so that the next failure counts as the first one. */
  progressed(): void {
    this.#failed = 0;
    this.#wasRefused = false;
  }

  /**
   * Waits before another attempt. Throws `error` if it is not retryable, or no attempt is left. The first refusal of a
   * token uses up no attempt: the server has done nothing, and the next attempt has another token.
   */
  async again(error: StreamkitError, signal: AbortSignal | undefined): Promise<void> {
    const isRefusal = error.retryable && error.code === "unauthenticated" && error.reason !== "TOKEN_FAILED";
    if (isRefusal && !this.#wasRefused) {
      this.#wasRefused = true;
      this.#policy.onRetry?.({ attempt: this.#failed + 1, delayMillis: 0, error });
      return;
    }
    this.#failed += 1;
    if (!error.retryable || this.#failed >= this.#allowed(error)) throw error;
    const delayMillis = backoffMillis(this.#failed, this.#policy.retry, error.retryAfterMillis);
    this.#policy.onRetry?.({ attempt: this.#failed, delayMillis, error });
    await delay(delayMillis, signal);
  }

  /** Most attempts. An unknown host may be about to start, or a typing error, so attempts to find it end. */
  #allowed(error: StreamkitError): number {
    return isUnknownHost(error) ? Math.min(this.#maxAttempts, DEFAULT_MAX_ATTEMPTS) : this.#maxAttempts;
  }
}

/**
 * Runs an operation until it succeeds, fails for good, or has used up its attempts. The operation must be safe to
 * repeat.
 *
 * @param isFinal true for failures that end the retries, although another attempt might succeed
 * @throws StreamkitError
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
