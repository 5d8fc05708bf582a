import type { EncodedBatch } from "../rows/batch.ts";
import type { CommittedTransaction } from "../rows/rows.ts";

/** A place in the history of a space: the last entry of a copy. Offsets and numbers count from 1; 0 is the start. */
export interface CopyPosition {
  readonly offset: number;
  /** Number of the transaction. */
  readonly number: number;
  /** Commit time of the transaction, in microseconds since 1970. */
  readonly timeMicros: number;
}

/** The position before the first entry. */
export const START: CopyPosition = { offset: 0, number: 0, timeMicros: 0 };

/** The state of a space at the point of its copy. Offsets and numbers count from 1; times as in CopyPosition. */
export interface SpaceFacts {
  /** The copy has entries after this position: the last one of the copy before, or the start. */
  readonly since: CopyPosition;
  /** Offset of the last entry, whether it still exists or not. The copy has no entry after it. */
  readonly lastOffset: number;
  /** Number of the last transaction. */
  readonly lastNumber: number;
  readonly lastTimeMicros: number;
  /** First offset that may exist. */
  readonly firstOffset: number;
  /** No entry up to this offset exists, because the space was deleted there; 0 when never deleted. */
  readonly deletedOffset: number;
}

/** The state of a segment that has lost its first entries. */
export interface SegmentFacts {
  readonly segment: string;
  /** Sequence of the first entry that exists, or the next sequence of a segment without entries. */
  readonly firstSequence: number;
  /** For a segment without entries: offset of its last one. Otherwise 0. */
  readonly lastOffset: number;
  /** For a segment without entries: commit time of its last one, in microseconds since 1970. Otherwise 0. */
  readonly lastTimeMicros: number;
  /** For a segment without entries: true if it was deleted. */
  readonly unlisted: boolean;
}

/** The result of a transaction in the dedupe window. */
export interface RememberedTransaction extends Omit<CommittedTransaction, "commitId"> {
  /** A UUID in lower case. */
  readonly id: string;
}

/** One part of the copy of a space: first its state, then segments and entries, then transactions, then the end. */
export type CopyPart =
  | { readonly kind: "space"; readonly facts: SpaceFacts }
  | { readonly kind: "segments"; readonly segments: readonly SegmentFacts[] }
  | { readonly kind: "entries"; readonly batches: readonly EncodedBatch[] }
  | { readonly kind: "transactions"; readonly transactions: readonly RememberedTransaction[] }
  | { readonly kind: "end"; readonly deletedOffset: number };
