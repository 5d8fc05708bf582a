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
          console.error("streamkit-server: closing failed:", error);
          process.exit(1);
        },
      );
    });
  }
}
