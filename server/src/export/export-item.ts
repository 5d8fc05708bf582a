import type { Cursor } from "../engine/coordination/cursors.ts";
import type { RememberedTransaction, SegmentFacts, SpaceFacts } from "../engine/copy/facts.ts";
import type { EncodedBatch } from "../engine/rows/batch.ts";
import type { Place } from "./export-file-error.ts";

/** The origin of a file. */
export interface ExportOrigin {
  /** The exported store, a UUID in lower case. */
  readonly storeId: string;
  /** When the export began, in microseconds since 1970. */
  readonly createTimeMicros: number;
  /** Program and version that wrote the file. */
  readonly producer: string;
  /** The only space in the file; undefined for the whole store. */
  readonly space: string | undefined;
  /** The only segment in the file; undefined for all segments. */
  readonly segment: string | undefined;
  /** SHA-256 of the export that the file continues, as hexadecimal digits; undefined for a full export. */
  readonly baseSha256: string | undefined;
}

/** Totals of a file. */
export interface ExportTotals {
  readonly chunks: number;
  readonly spaces: number;
  readonly entries: number;
  readonly cursors: number;
  /** Bytes of the file. */
  readonly bytes: number;
  /** SHA-256 of the file without its footer, as hexadecimal digits: the identity of the export. */
  readonly sha256: string;
}

/** One checked chunk of a file. */
export type ExportItem = Place &
  (
    | { readonly kind: "header"; readonly origin: ExportOrigin }
    | { readonly kind: "space"; readonly space: string; readonly facts: SpaceFacts }
    | { readonly kind: "segments"; readonly segments: readonly SegmentFacts[] }
    | { readonly kind: "entries"; readonly batches: readonly EncodedBatch[] }
    | { readonly kind: "transactions"; readonly transactions: readonly RememberedTransaction[] }
    | { readonly kind: "space-end"; readonly deletedOffset: number }
    | { readonly kind: "cursors"; readonly cursors: readonly Cursor[] }
    | { readonly kind: "footer"; readonly totals: ExportTotals }
  );
