/** A source of wake-ups. */
export interface WakeSource {
  /** Calls back once, at the next wake. Returns a function that cancels the callback. */
  onWake(callback: () => void): () => void;
}

/**
 * Waits for the next wake, for at most `millis` milliseconds. Resolves to false if the time has passed. Rejects with
 * the reason of the signal if it is aborted.
 */
export function nextWake(source: WakeSource, millis: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const settle = (how: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      cancel();
      how();
    };
    const cancel = source.onWake(() => settle(() => resolve(true)));
    const aborted = () => settle(() => reject(signal.reason));
    const timer = setTimeout(() => settle(() => resolve(false)), millis);
    signal.addEventListener("abort", aborted, { once: true });
  });
}
