import { describeCause } from "../format-event.ts";

/** SIGINT and SIGTERM end the process through `close`, with exit code 0; a second signal ends it at once. */
export function endOnSignals(close: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      close().then(
        () => process.exit(0),
        (error) => {
          // Properties of an error may hold secrets, such as the headers of a request.
          console.error(`streamkit-server: closing failed: ${describeCause(error)}`);
          process.exit(1);
        },
      );
    });
  }
}
