import { dataLoss } from "../../errors.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { lastPositionOf, segmentBlockRange } from "../rows/key-space.ts";
import { decodeSegmentBlock } from "../rows/rows.ts";
import { PAGE_BYTES, PageMeter } from "./page-size.ts";
import type { StoredSpace } from "./stored-space.ts";

/** Some batches, and the position to read on from. */
export interface Page {
  readonly batches: readonly EncodedBatch[];
  /** First position after the positions that the page covers. */
  readonly next: number;
}

/**
 * Reads the entries `from` to `through` of a segment from storage, in pages. Entries that are trimmed meanwhile may be
 * missing at the start.
 *
 * @throws ServerError DATA_LOSS if entries are missing or damaged (G11)
 */
export async function* readSegment(
  log: StoredSpace,
  segment: string,
  from: number,
  through: number,
  pageBytes = PAGE_BYTES,
): AsyncGenerator<Page, void, undefined> {
  let expected = from;
  const meter = new PageMeter();
  const range = segmentBlockRange(segment, from, through);
  scan: for await (const rows of log.store.scan(log.partition, { ...range, pageBytes })) {
    let batches: EncodedBatch[] = [];
    meter.reset();
    let done = false;
    for (const row of rows) {
      const block = decodeSegmentBlock(row.value, segment);
      if (block.firstSequence > expected) {
        if (block.firstSequence > through && (await isTrimmed(log, segment, through))) break scan;
        await requireTrimmed(log, segment, expected, block.firstSequence - 1);
        expected = block.firstSequence;
      }
      const last = lastPositionOf(row.key);
      for (const batch of block.batches) {
        if (batch.lastSequence < expected || batch.firstSequence > through) continue;
        if (batch.firstSequence > expected) throw missing(log, segment, expected, batch.firstSequence - 1);
        // A compressed row may be much smaller than its batches.
        if (meter.overflows(batch.byteLength)) {
          yield { batches, next: expected };
          batches = [];
          meter.reset();
        }
        const start = expected - batch.firstSequence;
        const end = Math.min(batch.count, through - batch.firstSequence + 1);
        const part = batch.slice(start, end);
        batches.push(part);
        meter.add(part.byteLength);
        expected = batch.firstSequence + end;
      }
      if (expected <= Math.min(last, through)) throw missing(log, segment, expected, Math.min(last, through));
      if (expected > through) {
        done = true;
        break;
      }
    }
    if (batches.length > 0) yield { batches, next: expected };
    if (done) return;
  }
  if (expected <= through) await requireTrimmed(log, segment, expected, through);
}

/**
 * Returns the batch that contains a sequence; undefined if the sequence was trimmed.
 *
 * @throws ServerError DATA_LOSS if the entry is missing or damaged
 */
export async function findBatchAt(
  log: StoredSpace,
  segment: string,
  sequence: number,
): Promise<EncodedBatch | undefined> {
  const range = segmentBlockRange(segment, sequence, sequence);
  for await (const rows of log.store.scan(log.partition, { ...range, limit: 1 })) {
    for (const row of rows) {
      const { batches } = decodeSegmentBlock(row.value, segment);
      const batch = batches.find((b) => b.firstSequence <= sequence && sequence <= b.lastSequence);
      if (batch !== undefined) return batch;
    }
  }
  await requireTrimmed(log, segment, sequence, sequence);
  return undefined;
}

async function isTrimmed(log: StoredSpace, segment: string, through: number): Promise<boolean> {
  if ((await log.segmentHead(segment)).firstSequence > through) return true;
  return (await log.storedSegmentHead(segment)).firstSequence > through;
}

async function requireTrimmed(log: StoredSpace, segment: string, from: number, through: number): Promise<void> {
  if (!(await isTrimmed(log, segment, through))) throw missing(log, segment, from, through);
}

function missing(log: StoredSpace, segment: string, from: number, through: number): Error {
  return dataLoss(`entries ${from} to ${through} of segment "${segment}" in space "${log.space}" are missing`);
}
