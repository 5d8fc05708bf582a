import { LONGEST_TIMER_MILLIS } from "./options.ts";

/** The wait that a timer can do: `millis`, or 24.8 days if `millis` is longer. */
export function timerMillis(millis: number): number {
  return Math.min(millis, LONGEST_TIMER_MILLIS);
}

/**
 * Waits for a promise for at most `millis`, then rejects with the error of `toError`. Rejects at once with the signal's
 * reason when the signal fires. A half-open connection never fails by itself: only its silence shows.
 */
export function unlessSilent<T>(
  promise: Promise<T>,
  millis: number,
  signal: AbortSignal | undefined,
  toError: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer =
      millis === Number.POSITIVE_INFINITY
        ? undefined
        : setTimeout(() => settle(reject, toError()), timerMillis(millis));
    const onAbort = () => settle(reject, signal?.reason);
    const settle = <V>(how: (value: V) => void, value: V) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      how(value);
    };
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    promise.then(
      (value) => settle(resolve, value),
      (thrown) => settle(reject, thrown),
    );
  });
}

/** Waits for a promise. Rejects at once when the signal fires, and ignores the promise from then on. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return unlessSilent(promise, Number.POSITIVE_INFINITY, signal, unreachable);
}

/** True if the promise resolves or rejects within so many milliseconds. Rejects when the signal fires. */
export async function settlesWithin(promise: Promise<unknown>, millis: number, signal: AbortSignal): Promise<boolean> {
  const late = new Error("late");
  try {
    const settled = promise.then(
      () => {},
      () => {},
    );
    await unlessSilent(settled, millis, signal, () => late);
    return true;
  } catch (thrown) {
    if (thrown !== late) throw thrown;
    return false;
  }
}

function unreachable(): never {
  throw new Error("a wait without a limit has run out");
}
