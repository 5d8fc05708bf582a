import { invalidField } from "../../errors.ts";
import type { Draft } from "../commit/draft.ts";
import type { Mutation } from "../commit/group-commit.ts";
import { findBatchAt } from "../read/read-segment.ts";
import type { SegmentHead } from "../rows/heads.ts";
import { reclaimKey, WHOLE_SPACE } from "../rows/key-space.ts";
import { encodePendingReclaim } from "../rows/rows.ts";
import type { SpaceLog } from "../space/space-log.ts";

/**
 * Removes the oldest entries of a segment. Readers no longer see them after the commit; the reclaimer removes their
 * rows later.
 */
export class TrimMutation implements Mutation<SegmentHead> {
  readonly segments: readonly string[];
  readonly bytes = 200;
  readonly operations = 3;
  readonly #log: SpaceLog;
  readonly #segment: string;
  readonly #before: number;
  #firstTimeMicros = 0;

  /** @param before first sequence to keep */
  constructor(log: SpaceLog, segment: string, before: number) {
    this.#log = log;
    this.#segment = segment;
    this.#before = before;
    this.segments = [segment];
  }

  async prepare(): Promise<void> {
    const head = await this.#log.segmentHead(this.#segment);
    if (this.#before <= head.firstSequence || this.#before > head.lastSequence) return;
    this.#firstTimeMicros = (await findBatchAt(this.#log, this.#segment, this.#before))?.commitTimeMicros ?? 0;
  }

  apply(draft: Draft): SegmentHead {
    const head = draft.segment(this.#segment);
    if (this.#before > head.lastSequence + 1) {
      throw invalidField(
        "before_sequence",
        `is ${this.#before}; expected at most last_sequence + 1 = ${head.lastSequence + 1}`,
      );
    }
    if (this.#before <= head.firstSequence) return head;
    const pending = draft.batches.find((b) => b.segment === this.#segment && b.lastSequence >= this.#before);
    const firstTimeMicros =
      this.#before > head.lastSequence ? 0 : this.#firstTimeMicros || (pending?.commitTimeMicros ?? 0);
    const trimmed = { ...head, firstSequence: this.#before, firstTimeMicros };
    markTrimmed(draft, this.#segment, trimmed);
    return trimmed;
  }
}

/** Removes all entries of a segment and takes the segment off the lists. */
export class DeleteSegmentMutation implements Mutation<void> {
  readonly segments: readonly string[];
  readonly bytes = 200;
  readonly operations = 3;
  readonly #segment: string;

  constructor(segment: string) {
    this.#segment = segment;
    this.segments = [segment];
  }

  apply(draft: Draft): void {
    const head = draft.segment(this.#segment);
    if (head.unlisted) return;
    markTrimmed(draft, this.#segment, {
      ...head,
      firstSequence: head.lastSequence + 1,
      firstTimeMicros: 0,
      unlisted: true,
    });
    // With other writers, the segment may be newer than the head. The commit then fails its condition and is repeated
    // on the new head.
    draft.head = { ...draft.head, segmentCount: Math.max(0, draft.head.segmentCount - 1) };
  }
}

/**
 * Removes all entries of a space and takes the space off the lists. It writes a single row: entries up to
 * `deletedOffset` no longer exist.
 */
export class DeleteSpaceMutation implements Mutation<void> {
  readonly segments: readonly string[] = [];
  readonly bytes = 200;
  readonly operations = 2;

  apply(draft: Draft): void {
    const { head } = draft;
    if (head.lastOffset === head.deletedOffset) return;
    draft.head = { ...head, deletedOffset: head.lastOffset, segmentCount: 0 };
    draft.put(reclaimKey(WHOLE_SPACE), encodePendingReclaim(0));
    draft.trims.set(WHOLE_SPACE, 1);
  }
}

/** Replaces the head of a segment whose first entries are removed. The reclaimer removes their rows later. */
export function markTrimmed(draft: Draft, segment: string, head: SegmentHead): void {
  draft.setSegment(segment, head);
  draft.put(reclaimKey(segment), encodePendingReclaim(head.firstSequence - 1));
  draft.trims.set(segment, head.firstSequence);
}
