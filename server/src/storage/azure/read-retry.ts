/** Retries of requests that change nothing, or nothing more when repeated. Commits are never retried here. */
import { setTimeout as delay } from "node:timers/promises";
import { errorOf, failureOf, isRequestFailure, isTransient, storageError } from "./storage-error.ts";

export interface RetryLimits {
  /** Requests sent at most, the first included. */
  readonly attempts: number;
  /** From this long after the first request on, in milliseconds, no further one is sent. */
  readonly totalMillis: number;
}

const firstDelayMillis = 50;
const longestDelayMillis = 2_000;

/** What a test replaces. */
interface Surroundings {
  readonly now: () => number;
  readonly random: () => number;
  readonly wait: (millis: number) => Promise<unknown>;
}

const real: Surroundings = { now: () => performance.now(), random: Math.random, wait: (millis) => delay(millis) };

/**
 * Sends a request until it is answered: after a passing failure again, after a random part of a delay that doubles, or
 * after what the server asks for. What the server asks for beyond the limits is left to the caller, in
 * `retryAfterMillis`.
 *
 * @throws STORAGE_UNAVAILABLE
 */
export async function withRetries<Result>(
  limits: RetryLimits,
  send: () => Promise<Result>,
  { now, random, wait }: Surroundings = real,
): Promise<Result> {
  const end = now() + limits.totalMillis;
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const failure = failureOf(error);
      if (!isRequestFailure(error) || !isTransient(failure)) throw storageError(error);
      const longest = Math.min(longestDelayMillis, firstDelayMillis * 2 ** attempt);
      const pause = failure.retryAfterMillis ?? longest * (0.5 + random() / 2);
      if (attempt >= limits.attempts || now() + pause > end) throw errorOf(failure);
      await wait(pause);
    }
  }
}
