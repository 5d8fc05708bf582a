import type { CopyPosition } from "../engine/copy/facts.ts";
import { ExportFileError } from "./export-file-error.ts";
import type { ExportItem, ExportOrigin, ExportTotals } from "./export-item.ts";
import { readExport } from "./read-export.ts";
import { SequenceCheck } from "./sequence-check.ts";

/** The facts of a whole file. */
export interface ExportSummary {
  readonly origin: ExportOrigin;
  readonly totals: ExportTotals;
  /** Space -> the position up to which the file has it. An incremental export continues there. */
  readonly positions: ReadonlyMap<string, CopyPosition>;
}

/** Work done so far on a file. */
export interface FileProgress {
  /** The space at work; "" before the first. */
  readonly space: string;
  readonly entries: number;
  /** Offset of the chunk in the file, in bytes. */
  readonly bytes: number;
}

/**
 * Reads a whole file and checks everything that an import relies on. Writes nothing. Holds about one chunk in memory,
 * a position for each space, and a number for each segment of the space that it reads.
 *
 * @throws ExportFileError
 */
export async function verifyExport(
  source: AsyncIterable<Uint8Array>,
  onProgress: (progress: FileProgress) => void = () => {},
): Promise<ExportSummary> {
  const positions = new Map<string, CopyPosition>();
  let origin: ExportOrigin | undefined;
  let totals: ExportTotals | undefined;
  let space = "";
  let entries = 0;
  let sequences = new SequenceCheck(false);
  let last: ExportItem | undefined;
  for await (const item of readExport(source)) {
    last = item;
    if (item.kind === "header") {
      origin = item.origin;
    } else if (item.kind === "space") {
      const { lastOffset, lastNumber, lastTimeMicros, since } = item.facts;
      space = item.space;
      positions.set(space, { offset: lastOffset, number: lastNumber, timeMicros: lastTimeMicros });
      sequences = new SequenceCheck(since.offset > 0);
    } else if (item.kind === "segments") {
      sequences.segments(item.segments);
    } else if (item.kind === "entries") {
      sequences.entries(item.batches, item);
      for (const batch of item.batches) entries += batch.count;
    } else if (item.kind === "space-end") {
      sequences.end();
    } else if (item.kind === "footer") {
      totals = item.totals;
    }
    onProgress({ space, entries, bytes: item.at });
  }
  if (origin === undefined || totals === undefined) {
    throw new ExportFileError("cut", last ?? { chunk: 0, at: 0 }, "the file ends before its footer");
  }
  return { origin, totals, positions };
}
