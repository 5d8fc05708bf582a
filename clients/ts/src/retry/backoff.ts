import { canceled } from "../errors/error.ts";
import { onWake } from "../wake.ts";

/** Options of retries after transient failures. */
export interface RetryOptions {
  /**
   * Most attempts of one call, the first included; for a stream or a session, most attempts in a row without progress.
   * May be Infinity. 1 turns retries off. Default 10; unlimited for reads with `follow` and for subscriptions.
   */
  readonly maxAttempts?: number;
  /** Upper bound of the first delay, in milliseconds; it doubles with each attempt. Default 50. */
  readonly initialDelayMillis?: number;
  /** Largest upper bound of a delay, in milliseconds. Default 5,000. */
  readonly maxDelayMillis?: number;
}

/**
 * The argument of `onRetry`, which the client calls before it waits and tries again. An error with the code
 * `unauthenticated` means that the server refused the token, or that there was none. The client gets another one.
 */
export interface RetryEvent {
  /** Number of attempts in a row that failed. */
  readonly attempt: number;
  /** Wait before the next attempt, in milliseconds. */
  readonly delayMillis: number;
  /** The failure of the latest attempt: a StreamkitError. */
  readonly error: Error;
}

/**
 * Delay before attempt `attempt + 1`, in milliseconds: "full jitter", a random part of a bound that doubles, so that
 * many clients that lost one server do not come back at one moment. Never less than what the server asks for.
 */
export function backoffMillis(
  attempt: number,
  options: RetryOptions,
  retryAfterMillis = 0,
  random: () => number = Math.random,
): number {
  const { initialDelayMillis = 50, maxDelayMillis = 5_000 } = options;
  const bound = Math.min(maxDelayMillis, initialDelayMillis * 2 ** Math.min(attempt - 1, 30));
  return retryAfterMillis + random() * bound;
}

/**
 * Waits; ends early when the page is online or visible again. Rejects with CANCELED as soon as the signal fires.
 */
export function delay(millis: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(canceled(signal));
      return;
    }
    const end = () => {
      clearTimeout(timer);
      endWake();
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(canceled(signal));
      else resolve();
    };
    const timer = setTimeout(end, millis);
    const endWake = onWake(end);
    signal?.addEventListener("abort", end);
  });
}
