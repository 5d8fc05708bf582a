/**
 * Loaded into a measured server (`--import`, with `--expose-gc`). At SIGUSR2 it collects garbage, and writes the
 * remaining bytes into the file that its own URL names: those of the heap, and those outside of it that the heap refers
 * to.
 */
import { renameSync, writeFileSync } from "node:fs";

const file = new URL(import.meta.url).searchParams.get("file") ?? "";
let collections = 0;

process.on("SIGUSR2", () => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.new`, JSON.stringify({ collections: ++collections, bytes: heapUsed + external }));
  renameSync(`${file}.new`, file);
});
