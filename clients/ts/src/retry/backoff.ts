import { canceled } from "../errors/error.ts";
import { onWake } from "../wake.ts";

/** How transient failures are retried. */
export interface RetryOptions {
  /**
   * Most attempts of one call, the first included; for a stream or a session, most attempts in a row without progress.
   * Default 10, except for reads with `follow`, which go on for as long as the failures are transient. 1 turns
   * retries off.
   */
  readonly maxAttempts?: number;
  /** Upper bound of the first delay, in milliseconds; it doubles with each attempt. Default 50. */
  readonly initialDelayMillis?: number;
  /** Largest upper bound of a delay, in milliseconds. Default 5,000. */
  readonly maxDelayMillis?: number;
}

/** Told to `onRetry` before the client waits and tries again. */
export interface RetryEvent {
  /** Attempts that failed in a row so far. */
  readonly attempt: number;
  /** How long the client waits before the next one, in milliseconds. */
  readonly delayMillis: number;
  /** Why the last attempt failed: a StreamkitError. */
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
 * Waits, for less long when the page is online or visible again; rejects with CANCELED as soon as the signal fires.
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
