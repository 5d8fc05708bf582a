/** Retries of requests that change nothing, or nothing more when repeated. Commits are never retried here. */
import { setTimeout as delay } from "node:timers/promises";
import { errorOf, failureOf, isRequestFailure, isTransient, storageError } from "./storage-error.ts";

export interface RetryLimits {
  /** Most requests, including the first. */
  readonly attempts: number;
  /** Milliseconds after the first request during which a retry may start. */
  readonly totalMillis: number;
}

const FIRST_DELAY_MILLIS = 50;
const LONGEST_DELAY_MILLIS = 2_000;

/** The clock and the randomness, which tests replace. */
interface Surroundings {
  readonly now: () => number;
  readonly random: () => number;
  readonly wait: (millis: number) => Promise<unknown>;
}

const real: Surroundings = { now: () => performance.now(), random: Math.random, wait: (millis) => delay(millis) };

/**
 * Sends a request, and repeats it after a transient failure. The pause is a random part of a delay that doubles, or the
 * time that the server asks for. If the server asks for more than the limits allow, the error passes that time to the
 * caller, in `retryAfterMillis`.
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
      const longest = Math.min(LONGEST_DELAY_MILLIS, FIRST_DELAY_MILLIS * 2 ** attempt);
      const pause = failure.retryAfterMillis ?? longest * (0.5 + random() / 2);
      if (attempt >= limits.attempts || now() + pause > end) throw errorOf(failure);
      await wait(pause);
    }
  }
}
