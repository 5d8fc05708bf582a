import type { ConsumePage, Ending } from "../read/consume.ts";
import { type PageSelection, readForward } from "../read/read-page.ts";
import { readSegment } from "../read/read-segment.ts";
import type { EncodedPage } from "../read/segment-tail.ts";
import type { SegmentHead } from "../rows/heads.ts";
import { SegmentSource } from "./sources.ts";
import type { SpaceLog } from "./space-log.ts";

/** A tail that lacks more entries than this is read anew. */
const MAX_MISSING = 1_000;

/**
 * Reads the first entries of a range of a segment: from the tail in memory if the segment has one, otherwise from
 * storage.
 *
 * @throws ServerError DATA_LOSS; the reason of `ending` once it has one
 */
export async function readSegmentPage(
  log: SpaceLog,
  segment: string,
  selection: PageSelection,
  ending: Ending,
): Promise<ConsumePage | EncodedPage> {
  const { min, minTimeMicros, maxTimeMicros } = selection;
  const timed = minTimeMicros > 0 || maxTimeMicros < Number.MAX_SAFE_INTEGER;
  const tail = timed ? undefined : log.tails.peek(segment);
  // A read that begins before the tail would only read the head twice.
  if (tail !== undefined && min >= tail.min) {
    const page = await readTail(log, segment, selection);
    if (page !== undefined) return page;
  }
  const page = await readForward(new SegmentSource(log, segment), selection, ending);
  if (!timed && page.caughtUp) log.tails.offer(segment, min, page);
  return page;
}

/** Reads a page from the tail of a segment. Returns undefined if the tail is gone or useless by now. */
async function readTail(log: SpaceLog, segment: string, selection: PageSelection): Promise<EncodedPage | undefined> {
  using _held = log.hold();
  await log.sync();
  const { removals } = log;
  const head = await log.segmentHead(segment);
  const next = log.tails.peek(segment)?.next;
  if (next === undefined) return undefined;
  if (next <= head.lastSequence) await complete(log, segment, next, head);
  // Entries that were trimmed meanwhile must not reappear behind later ones.
  return log.removals === removals ? log.tails.get(segment)?.page(head, selection) : undefined;
}

/** Reads the entries that other instances have committed and that this one did not need to read, into a tail. */
async function complete(log: SpaceLog, segment: string, next: number, head: SegmentHead): Promise<void> {
  if (head.lastSequence - next > MAX_MISSING || head.firstSequence > next) return log.tails.delete(segment);
  for await (const { batches } of readSegment(log, segment, next, head.lastSequence)) {
    for (const batch of batches) log.tails.add(batch);
  }
}
