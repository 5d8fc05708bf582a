import { type Streamkit, verifyExport } from "../../index.ts";
import { UsageError } from "../read-options.ts";
import type { IMPORT_OPTIONS, ValuesOf } from "./copy-options.ts";
import { readBytes, STANDARD } from "./files.ts";
import { ProgressLine } from "./progress.ts";

/** Writes the content of a file into a store. The command checks a whole copy before it writes anything. */
export async function runImport(
  server: Streamkit,
  options: ValuesOf<typeof IMPORT_OPTIONS>,
  signal: AbortSignal,
): Promise<void> {
  const { file, store, cursors, format, space, segment } = options;
  if (format === "ndjson") {
    if (store === undefined) throw new UsageError("--format ndjson needs --store: lines do not name their store");
    const lines = await server.importLines(store, readBytes(file), {
      space,
      segment,
      onProgress: () => signal.throwIfAborted(),
    });
    console.error(`appended ${lines} lines to store ${store}`);
    return;
  }
  if (space !== undefined || segment !== undefined) throw new UsageError("--space and --segment need --format ndjson");
  // The standard input can be read once only.
  if (file !== STANDARD) {
    const progress = new ProgressLine("verified");
    await verifyExport(readBytes(file), (work) => {
      signal.throwIfAborted();
      progress.show(work);
    }).finally(() => progress.end());
  }
  const progress = new ProgressLine("imported");
  const result = await server
    .importStore(readBytes(file), {
      ...(store !== undefined && { storeId: store }),
      cursors,
      onProgress: (work) => {
        signal.throwIfAborted();
        progress.show(work);
      },
    })
    .finally(() => progress.end());
  const { totals, written, origin } = result;
  const cursorsSet = cursors ? `, set ${result.cursors} of ${totals.cursors} cursors` : "";
  const present = totals.entries - written;
  console.error(
    `imported ${written} entries into store ${store ?? origin.storeId}, which had ${present} of the file${cursorsSet}`,
  );
}
