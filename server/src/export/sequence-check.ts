import type { SegmentFacts } from "../engine/copy/facts.ts";
import type { EncodedBatch } from "../engine/rows/batch.ts";
import { ExportFileError, type Place } from "./export-file-error.ts";

/** Checks that the segments of one space have all of their entries, except those that a state says are removed. */
export class SequenceCheck {
  readonly #continues: boolean;
  /** Segment -> sequence of its next entry. */
  readonly #next = new Map<string, number>();
  /** Segment -> the gap before an entry that no state has explained yet. */
  readonly #gaps = new Map<string, Place & { readonly first: number }>();

  /** @param continues true for an incremental export: segments then begin where another file ends */
  constructor(continues: boolean) {
    this.#continues = continues;
  }

  segments(segments: readonly SegmentFacts[]): void {
    for (const { segment, firstSequence } of segments) {
      if ((this.#gaps.get(segment)?.first ?? Number.POSITIVE_INFINITY) <= firstSequence) this.#gaps.delete(segment);
      const next = this.#next.get(segment);
      // Entries between the state and the first entry of an incremental export are in an earlier file.
      if (next !== undefined || !this.#continues) this.#next.set(segment, Math.max(firstSequence, next ?? 1));
    }
  }

  entries(batches: readonly EncodedBatch[], { chunk, at }: Place): void {
    for (const { segment, firstSequence, lastSequence } of batches) {
      const next = this.#next.get(segment) ?? (this.#continues ? firstSequence : 1);
      if (firstSequence > next) this.#gaps.set(segment, { chunk, at, first: firstSequence });
      this.#next.set(segment, Math.max(next, lastSequence + 1));
    }
  }

  /** @throws ExportFileError if a gap has no explanation */
  end(): void {
    for (const [segment, gap] of this.#gaps) {
      throw new ExportFileError(
        "foreign",
        gap,
        `the file lacks entries of segment "${segment}" before sequence ${gap.first}, and does not say that they were removed`,
      );
    }
  }
}
