import type { StreamkitEvent } from "../index.ts";

/** How long the server may take to close after an error that nobody caught. */
const CLOSE_MILLIS = 10_000;

/**
 * An error that reaches the top of the process is a defect. What the process knows may be wrong from then on, so it
 * tells of the error, ends through `close`, which finishes appends in flight, and exits with code 1 for a supervisor to
 * start it again.
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
