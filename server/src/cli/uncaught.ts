import type { StreamkitEvent } from "../index.ts";

/** Longest time for closing the server after an uncaught error. */
const CLOSE_MILLIS = 10_000;

/**
 * Ends the process after an error that reaches its top. Such an error is a defect, and may have left wrong state in
 * memory. The process reports the error, calls `close`, which finishes appends in flight, and exits with code 1, so
 * that a supervisor starts it again.
 */
export function endOnUncaught(close: () => Promise<void>, onEvent: (event: StreamkitEvent) => void): void {
  let ending = false;
  const end = (cause: unknown, origin: string) => {
    onEvent({ level: "error", kind: "uncaught", message: `${origin}: the server ends`, cause, count: 1 });
    if (ending) return;
    ending = true;
    process.exitCode = 1;
    setTimeout(() => process.exit(1), CLOSE_MILLIS).unref();
    close().then(
      () => process.exit(1),
      () => process.exit(1),
    );
  };
  process.on("uncaughtException", (error, origin) => end(error, origin));
}
