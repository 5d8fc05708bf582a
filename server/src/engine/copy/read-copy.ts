import { ImportConflictError } from "../../errors.ts";
import { type Page, readSegment } from "../read/read-segment.ts";
import { firstBatchFrom, readSpace } from "../read/read-space.ts";
import { decodeSegmentHead, effectiveSegmentHead, type SegmentHead, type SpaceHead } from "../rows/heads.ts";
import {
  segmentHeadKey,
  segmentHeadRange,
  segmentOfHeadKey,
  TRANSACTION_RANGE,
  transactionOfKey,
} from "../rows/key-space.ts";
import { decodeCommittedTransaction } from "../rows/rows.ts";
import type { SpaceLog } from "../space/space-log.ts";
import { type CopyPart, type CopyPosition, type SegmentFacts, START } from "./facts.ts";

export interface CopySelection {
  /** Copies only entries after this position. */
  readonly since?: CopyPosition | undefined;
  /** Copies only this segment. */
  readonly segment?: string | undefined;
}

/** Bytes of rows per page of a scan of heads and transactions: each page becomes a part. */
const PAGE_BYTES = 64 * 1024;

/**
 * Copies a space as of its last transaction at the time of the call, while appends go on. Entries that are removed
 * during the copy may be in it: the states of their segments, which then come a second time, say so. The caller holds
 * one page in memory.
 *
 * @throws ImportConflictError if the space does not continue from `since`
 * @throws ServerError DATA_LOSS if entries are missing or damaged (G11); the reason of `signal` once it is aborted
 */
export async function* copySpace(
  log: SpaceLog,
  { since = START, segment }: CopySelection,
  signal: AbortSignal,
): AsyncGenerator<CopyPart, void, undefined> {
  using _held = log.hold();
  const head = await log.sync();
  // Every later removal shows in this number.
  const { removals } = log;
  await checkContinues(log, head, since);
  const { lastOffset, lastNumber, lastTimeMicros, deletedOffset } = head;
  const { firstOffset } = log;
  yield { kind: "space", facts: { since, lastOffset, lastNumber, lastTimeMicros, firstOffset, deletedOffset } };
  yield* states(log, segment, head);
  const pages =
    segment === undefined
      ? readSpace(log, Math.max(since.offset + 1, firstOffset), lastOffset)
      : segmentPages(log, segment, since.offset, lastOffset);
  for await (const { batches } of pages) {
    signal.throwIfAborted();
    if (batches.length > 0) yield { kind: "entries", batches };
  }
  const after = await log.sync();
  if (log.removals !== removals) yield* states(log, segment, head);
  yield* remembered(log, segment, since, lastNumber);
  yield { kind: "end", deletedOffset: Math.min(after.deletedOffset, lastOffset) };
}

/** @throws ImportConflictError */
async function checkContinues(log: SpaceLog, head: SpaceHead, since: CopyPosition): Promise<void> {
  const differ = (why: string) =>
    new ImportConflictError(
      `space "${log.space}" is not the one of the previous export: ${why}; make a full export instead`,
    );
  if (head.lastOffset < since.offset) {
    throw differ(`it ends at offset ${head.lastOffset}, and the previous export at ${since.offset}`);
  }
  if (since.offset === 0) return;
  const found = await firstBatchFrom(log, since.offset);
  if (found === undefined || found.firstOffset > since.offset) return;
  if (found.transactionNumber === since.number && found.commitTimeMicros === since.timeMicros) return;
  throw differ(`it has another transaction at offset ${since.offset}`);
}

/** The states of segments that have lost entries, as of `head` or later. */
async function* states(log: SpaceLog, segment: string | undefined, head: SpaceHead): AsyncGenerator<CopyPart> {
  if (segment !== undefined) {
    const row = await log.store.get(log.partition, segmentHeadKey(segment));
    const facts = row && factsOf(segment, effectiveSegmentHead(decodeSegmentHead(row.value, segment), log.head), head);
    if (facts !== undefined) yield { kind: "segments", segments: [facts] };
    return;
  }
  const options = { ...segmentHeadRange(""), pageBytes: PAGE_BYTES };
  for await (const rows of log.store.scan(log.partition, options)) {
    const segments = rows.flatMap((row) => {
      const name = segmentOfHeadKey(row.key);
      return factsOf(name, effectiveSegmentHead(decodeSegmentHead(row.value, name), log.head), head) ?? [];
    });
    if (segments.length > 0) yield { kind: "segments", segments };
  }
}

/** The results of transactions after `since` up to number `through` that are in the dedupe window. */
async function* remembered(
  log: SpaceLog,
  segment: string | undefined,
  since: CopyPosition,
  through: number,
): AsyncGenerator<CopyPart> {
  const start = log.dedupeStart;
  for await (const rows of log.store.scan(log.partition, { ...TRANSACTION_RANGE, pageBytes: PAGE_BYTES })) {
    const transactions = rows.flatMap((row) => {
      const { commitId: _, ...result } = decodeCommittedTransaction(row.value);
      const { number, commitTimeMicros, ranges } = result;
      if (number <= since.number || number > through || commitTimeMicros < start) return [];
      if (segment !== undefined && !ranges.some((range) => range.segment === segment)) return [];
      return [{ id: transactionOfKey(row.key), ...result }];
    });
    if (transactions.length > 0) yield { kind: "transactions", transactions };
  }
}

/** Returns undefined for a segment that has all of its entries. */
function factsOf(segment: string, state: SegmentHead, space: SpaceHead): SegmentFacts | undefined {
  const { firstSequence, lastSequence, lastOffset, lastTimeMicros, unlisted } = state;
  if (lastSequence === 0 || firstSequence === 1) return undefined;
  // The segment has entries after the copy. All before them may be gone, so these facts are for the case that they are.
  if (lastOffset > space.lastOffset) {
    const { lastOffset, lastTimeMicros } = space;
    return { segment, firstSequence, lastOffset, lastTimeMicros, unlisted: true };
  }
  if (firstSequence > lastSequence) return { segment, firstSequence, lastOffset, lastTimeMicros, unlisted };
  return { segment, firstSequence, lastOffset: 0, lastTimeMicros: 0, unlisted: false };
}

/** Pages of one segment with offsets after `since` up to `through`. */
async function* segmentPages(
  log: SpaceLog,
  segment: string,
  since: number,
  through: number,
): AsyncGenerator<Page, void, undefined> {
  const head = await log.segmentHead(segment);
  for await (const page of readSegment(log, segment, head.firstSequence, head.lastSequence)) {
    const batches = page.batches.filter((batch) => batch.firstOffset > since && batch.lastOffset <= through);
    yield { batches, next: page.next };
    if (batches.length < page.batches.length && (page.batches.at(-1)?.lastOffset ?? 0) > through) return;
  }
}
