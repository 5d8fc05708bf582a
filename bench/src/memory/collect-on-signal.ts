/**
 * Loaded into a server that is measured (`--import`, with `--expose-gc`): at SIGUSR2 it collects garbage, and writes
 * what is left into the file that its own address names: bytes of the heap, and of what the heap refers to outside of
 * it.
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
