import { ImportConflictError } from "../../errors.ts";
import type { Draft } from "../commit/draft.ts";
import type { Mutation } from "../commit/group-commit.ts";
import { markTrimmed } from "../removal/trim.ts";
import type { SegmentHead } from "../rows/heads.ts";
import { reclaimKey, spaceBlockKey, WHOLE_SPACE } from "../rows/key-space.ts";
import { encodePendingReclaim, encodeSpaceBlock } from "../rows/rows.ts";
import type { SegmentFacts, SpaceFacts } from "./facts.ts";

/**
 * Prepares a space for the entries of a copy. An empty space starts at the first offset of the copy. Entries up to a
 * deletion that the copy knows of disappear.
 */
export class BeginCopyMutation implements Mutation<void> {
  readonly segments: readonly string[] = [];
  readonly bytes = 200;
  readonly operations = 2;
  readonly #facts: Pick<SpaceFacts, "firstOffset" | "deletedOffset">;

  constructor(facts: Pick<SpaceFacts, "firstOffset" | "deletedOffset">) {
    this.#facts = facts;
  }

  apply(draft: Draft): void {
    const { firstOffset, deletedOffset } = this.#facts;
    const { head } = draft;
    const empty = head.lastOffset === 0;
    if (empty && firstOffset > 1) draft.reposition({ firstOffset, lastOffset: firstOffset - 1 });
    if (deletedOffset <= head.deletedOffset) return;
    if (!empty && head.lastOffset > deletedOffset) {
      throw new ImportConflictError(
        `space "${draft.space}" has entries after offset ${deletedOffset}, where the space of the file was deleted`,
      );
    }
    const lastOffset = Math.max(draft.head.lastOffset, deletedOffset);
    draft.reposition({ lastOffset, deletedOffset, segmentCount: 0 });
    if (empty) return;
    draft.put(reclaimKey(WHOLE_SPACE), encodePendingReclaim(0));
    draft.trims.set(WHOLE_SPACE, 1);
  }
}

/** Removes the first entries of segments, as the states of a copy say. Has no effect on segments that lack them. */
export class SegmentFactsMutation implements Mutation<void> {
  readonly segments: readonly string[];
  readonly bytes: number;
  readonly operations: number;
  readonly #facts: readonly SegmentFacts[];

  /** @param facts states without entries before `firstSequence` that the space would keep */
  constructor(facts: readonly SegmentFacts[]) {
    this.#facts = facts;
    this.segments = facts.map(({ segment }) => segment);
    this.bytes = 300 * facts.length;
    this.operations = 2 * facts.length;
  }

  apply(draft: Draft): void {
    for (const facts of this.#facts) applySegmentFacts(draft, facts);
  }
}

/** True if a state changes the head of its segment. */
export function changesHead(head: SegmentHead, { firstSequence, unlisted }: SegmentFacts): boolean {
  if (firstSequence > head.firstSequence) return true;
  return unlisted && !head.unlisted && head.firstSequence === firstSequence && head.lastSequence < firstSequence;
}

function applySegmentFacts(draft: Draft, facts: SegmentFacts): void {
  const { segment, firstSequence } = facts;
  const head = draft.segment(segment);
  if (!changesHead(head, facts)) return;
  const lastSequence = Math.max(head.lastSequence, firstSequence - 1);
  const emptied = lastSequence < firstSequence;
  // Entries follow where a state has no last offset. Until then, readers see what they saw before.
  const known = emptied && facts.lastOffset > 0;
  const next: SegmentHead = {
    ...head,
    firstSequence,
    lastSequence,
    firstTimeMicros: 0,
    lastOffset: known ? Math.max(head.lastOffset, facts.lastOffset) : head.lastOffset,
    lastTimeMicros: known ? Math.max(head.lastTimeMicros, facts.lastTimeMicros) : head.lastTimeMicros,
    unlisted: known ? facts.unlisted : head.unlisted,
  };
  const listed = (head.unlisted ? 1 : 0) - (next.unlisted ? 1 : 0);
  const { segmentCount } = draft.head;
  if (listed !== 0) draft.head = { ...draft.head, segmentCount: Math.max(0, segmentCount + listed) };
  // A segment that was never written has no rows to remove.
  if (head.lastSequence > 0) markTrimmed(draft, segment, next);
  else draft.setSegment(segment, { ...next, reclaimedSequence: firstSequence - 1 });
}

/** Ends a copy: entries at the end of the copied space that no longer exist still have their offsets. */
export class EndCopyMutation implements Mutation<void> {
  readonly segments: readonly string[] = [];
  readonly bytes = 200;
  readonly operations = 1;
  readonly #facts: SpaceFacts;

  constructor(facts: SpaceFacts) {
    this.#facts = facts;
  }

  apply(draft: Draft): void {
    const { lastOffset, lastNumber, lastTimeMicros } = this.#facts;
    const { head } = draft;
    if (head.lastOffset > lastOffset) return;
    if (head.lastOffset === lastOffset && head.lastNumber === lastNumber && head.lastTimeMicros === lastTimeMicros)
      return;
    if (head.lastNumber > lastNumber || head.lastTimeMicros > lastTimeMicros) {
      throw new ImportConflictError(
        `space "${draft.space}" has transaction ${head.lastNumber} at offset ${head.lastOffset} or before; the file has ${lastNumber} transactions up to offset ${lastOffset}`,
      );
    }
    const next = Math.max(head.lastOffset + 1, head.firstOffset);
    if (next <= lastOffset) draft.put(spaceBlockKey(lastOffset), encodeSpaceBlock(next, [], 0n, "none"));
    draft.reposition({ lastOffset, lastNumber, lastTimeMicros });
  }
}
