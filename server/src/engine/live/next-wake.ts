/** Something that tells, once, when there is something new. */
export interface WakeSource {
  /** Calls back at the next wake; returns how to take that back. */
  onWake(callback: () => void): () => void;
}

/** Waits for the next wake, at most `millis`; false when the time passed. Rejects when the signal is aborted. */
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
