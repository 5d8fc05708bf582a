import { connectionLost } from "../errors/error.ts";

/**
 * Waits for a promise, but not longer than `millis`: rejects with CONNECTION_LOST after that. A half-open connection
 * never fails by itself; missing heartbeats are how a reader notices.
 */
export function unlessSilent<T>(promise: Promise<T>, millis: number, onSilence?: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      onSilence?.();
      reject(connectionLost(`nothing arrived for ${millis} ms, not even a heartbeat`));
    }, millis);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (thrown) => {
        clearTimeout(timer);
        reject(thrown);
      },
    );
  });
}

/** Waits for a promise, or for the signal: then rejects at once, whatever becomes of the promise. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      },
      (thrown) => {
        signal.removeEventListener("abort", onAbort);
        reject(thrown);
      },
    );
  });
}
