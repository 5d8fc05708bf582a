import { LIMITS } from "@streamkit/protocol";
import { connectionLost } from "../errors/error.ts";
import { DEFAULT_HEARTBEAT_MILLIS } from "./read.ts";

/**
 * Waits for a promise, but not longer than two heartbeats: rejects with CONNECTION_LOST after that. A half-open connection
 * never fails by itself; missing heartbeats are how a reader notices.
 */
export function unlessSilent<T>(promise: Promise<T>, heartbeatMillis: number, onSilence?: () => void): Promise<T> {
  // Heartbeats that are too close for any server are refused, and the refusal takes its time.
  const millis = 2 * (heartbeatMillis >= LIMITS.minHeartbeatMillis ? heartbeatMillis : DEFAULT_HEARTBEAT_MILLIS);
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
