import { type ExportSummary, entryLines, type Streamkit, verifyExport } from "../../index.ts";
import { UsageError } from "../read-options.ts";
import type { EXPORT_OPTIONS, ValuesOf } from "./copy-options.ts";
import { readBytes, STANDARD, writeFileWhole, writeOut } from "./files.ts";
import { ProgressLine } from "./progress.ts";

/** Writes a store to a file or to the standard output. */
export async function runExport(
  server: Streamkit,
  options: ValuesOf<typeof EXPORT_OPTIONS>,
  signal: AbortSignal,
): Promise<void> {
  const { store, space, segment, cursors, file, format, payload } = options;
  if (store === undefined) throw new UsageError("--store is missing; expected the id of the store to export");
  if (segment !== undefined && space === undefined) throw new UsageError("--segment needs --space");
  const since = options.since === undefined ? undefined : await previous(options.since);
  const progress = new ProgressLine("exported");
  let entries = 0;
  let bytes = 0;
  const copy = server.exportStore(store, {
    space,
    segment,
    since,
    cursors,
    // Lines are made from a copy that stays in memory.
    compression: format === "copy" ? options.compression : "none",
    signal,
    onProgress: (work) => {
      ({ entries, bytes } = work);
      progress.show(work);
    },
  });
  const content = format === "copy" ? copy : entryLines(copy, format, payload);
  try {
    await (file === STANDARD ? writeOut(content) : writeFileWhole(file, content));
  } finally {
    progress.end();
  }
  const size = format === "copy" ? `, ${bytes} bytes` : "";
  console.error(`exported ${entries} entries of store ${store}${size}`);
}

async function previous(path: string): Promise<ExportSummary> {
  if (path === STANDARD) throw new UsageError("--since needs a file, not the standard input");
  return await verifyExport(readBytes(path));
}
