import { dataLoss } from "../../errors.ts";
import type { Row } from "../../storage/port.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { lastPositionOf, segmentBlockKey, spaceBlockRange } from "../rows/key-space.ts";
import { type BlockRef, decodeSegmentBlock, decodeSpaceBlock, type SpaceBlock } from "../rows/rows.ts";
import { MAX_PAGE_BYTES, PAGE_BYTES, PageMeter } from "./page-size.ts";
import type { Page } from "./read-segment.ts";
import type { StoredSpace } from "./stored-space.ts";

/** Facts that a reader may know in addition to the log. */
export interface SpaceReading {
  /** First offset that may exist. Default: the one that the log knows. */
  readonly firstOffset?: () => number;
  /** The rows from `from` on, if the caller has already started to read them. */
  readonly rows?: AsyncIterable<readonly Row[]>;
  /** Bytes of rows to read at a time. Default: enough to fill a page. */
  readonly pageBytes?: number;
}

/** Starts to read the rows of the space log from an offset on. */
export function scanSpace(log: StoredSpace, from: number, pageBytes = PAGE_BYTES): AsyncIterable<readonly Row[]> {
  return log.store.scan(log.partition, { ...spaceBlockRange(from), pageBytes });
}

/**
 * Reads the entries with offsets `from` to `through` from storage, in pages without trimmed entries.
 *
 * @throws ServerError DATA_LOSS if entries are missing or damaged (G11)
 */
export async function* readSpace(
  log: StoredSpace,
  from: number,
  through: number,
  { firstOffset = () => log.firstOffset, rows: given, pageBytes }: SpaceReading = {},
): AsyncGenerator<Page, void, undefined> {
  let expected = from;
  if (expected > through) return;
  // Copy the trims before the read: the reclaimer forgets a trim after it removed the rows, but this read may still see
  // them.
  const trims = log.trims();
  for await (const rows of given ?? scanSpace(log, from, pageBytes)) {
    for await (const group of resolve(log, rows)) {
      const batches: EncodedBatch[] = [];
      for (const block of group) {
        if (block.firstOffset > expected) {
          const last = Math.min(block.firstOffset - 1, through);
          if (firstOffset() <= last && (await log.storedFirstOffset()) <= last) throw missing(log, expected, last);
          expected = block.firstOffset;
        }
        for (const batch of block.batches) {
          const start = Math.max(0, expected - batch.firstOffset);
          const end = Math.min(batch.count, through - batch.firstOffset + 1);
          if (start < end) batches.push(batch.slice(start, end));
        }
        expected = Math.max(expected, Math.min(block.lastOffset, through) + 1);
        if (expected > through) break;
      }
      yield { batches: withoutTrimmed(log, batches, trims), next: expected };
      if (expected > through) return;
    }
  }
  if (expected <= through && firstOffset() <= through && (await log.storedFirstOffset()) <= through) {
    throw missing(log, expected, through);
  }
}

/** Returns the batch that contains an offset, or the next batch that exists; undefined if there is none. */
export async function firstBatchFrom(log: StoredSpace, offset: number): Promise<EncodedBatch | undefined> {
  const trims = log.trims();
  for await (const rows of log.store.scan(log.partition, { ...spaceBlockRange(offset), pageBytes: 1 })) {
    for await (const group of resolve(log, rows)) {
      for (const block of group) {
        const batch = withoutTrimmed(log, block.batches, trims).find((b) => b.lastOffset >= offset);
        if (batch !== undefined) return batch;
      }
    }
  }
  return undefined;
}

/**
 * Returns the batches without trimmed entries whose rows still exist.
 *
 * @param trims trims at the beginning of the read, in addition to the current ones
 */
export function withoutTrimmed(
  log: StoredSpace,
  batches: readonly EncodedBatch[],
  trims?: ReadonlyMap<string, number>,
): readonly EncodedBatch[] {
  const deleted = log.head.deletedOffset;
  if (!log.hasTrimmed && !trims?.size && (batches.length === 0 || batches[0].firstOffset > deleted)) return batches;
  const kept: EncodedBatch[] = [];
  for (const batch of batches) {
    const first = Math.max(log.trimmedBefore(batch.segment), trims?.get(batch.segment) ?? 1);
    const gone = Math.max(first - batch.firstSequence, deleted - batch.firstOffset + 1, 0);
    if (gone < batch.count) kept.push(batch.slice(gone, batch.count));
  }
  return kept;
}

interface ResolvedBlock {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly batches: readonly EncodedBatch[];
}

/**
 * Decodes rows and fetches the blocks that they refer to. Yields groups of the size of a page, and fetches the blocks
 * of a group with one request. Sizes are counted before the fetch, so memory holds at most one group, even if small
 * rows refer to large blocks.
 */
async function* resolve(log: StoredSpace, rows: readonly Row[]): AsyncGenerator<ResolvedBlock[], void, undefined> {
  const meter = new PageMeter();
  let group: Part[] = [];
  for (const row of rows) {
    // One row at a time: a compressed row may be much smaller than its batches.
    const block = decodeSpaceBlock(row.value, log.space);
    // Each reference is a part, so a row with many references is delivered in several groups.
    for (const part of partsOf(block, lastPositionOf(row.key))) {
      if (group.length > 0 && (meter.overflows(part.bytes) || meter.full)) {
        yield await fetchReferenced(log, group);
        group = [];
        meter.reset();
      }
      group.push(part);
      meter.add(part.bytes);
    }
  }
  if (group.length > 0) yield await fetchReferenced(log, group);
}

interface Part extends ResolvedBlock {
  readonly commitId: bigint;
  readonly ref?: BlockRef;
  /** Bytes of the batches, whether they are loaded or not. */
  readonly bytes: number;
}

function partsOf(block: SpaceBlock, lastOffset: number): Part[] {
  const { firstOffset, batches, commitId } = block;
  if (block.refs.length === 0) {
    const bytes = batches.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return [{ firstOffset, lastOffset, batches, commitId, bytes }];
  }
  return block.refs.map((ref, index) => ({
    // The row covers its whole range: entries before and between the references were trimmed.
    firstOffset: index === 0 ? firstOffset : block.refs[index - 1].firstOffset + block.refs[index - 1].count,
    lastOffset: index === block.refs.length - 1 ? lastOffset : ref.firstOffset + ref.count - 1,
    batches: [],
    commitId,
    ref,
    bytes: ref.bytes || MAX_PAGE_BYTES,
  }));
}

async function fetchReferenced(log: StoredSpace, group: readonly Part[]): Promise<ResolvedBlock[]> {
  const parts = group.flatMap(({ ref, commitId }) => (ref === undefined ? [] : [{ ref, commitId }]));
  if (parts.length === 0) return [...group];
  const keys = parts.map(({ ref }) => segmentBlockKey(ref.segment, ref.lastSequence));
  const found = await log.store.getMany(log.partition, keys);
  const batches = new Map<BlockRef, readonly EncodedBatch[]>();
  for (const [index, { ref, commitId }] of parts.entries()) {
    const resolved = await referenced(log, ref, found[index]);
    for (const batch of resolved) batch.commitId = commitId;
    batches.set(ref, resolved);
  }
  return group.map(({ firstOffset, lastOffset, batches: own, ref }) => ({
    firstOffset,
    lastOffset,
    batches: ref === undefined ? own : (batches.get(ref) ?? []),
  }));
}

async function referenced(log: StoredSpace, ref: BlockRef, row: Row | undefined): Promise<readonly EncodedBatch[]> {
  if (row !== undefined) {
    const { batches } = decodeSegmentBlock(row.value, ref.segment);
    if (batches.some((batch) => batch.lastOffset === ref.firstOffset + ref.count - 1)) return batches;
  } else if ((await log.storedSegmentHead(ref.segment)).firstSequence > ref.lastSequence) {
    // The block was trimmed after the row was read.
    return [];
  }
  throw missing(log, ref.firstOffset, ref.firstOffset + ref.count - 1);
}

function missing(log: StoredSpace, from: number, through: number): Error {
  return dataLoss(`entries with offsets ${from} to ${through} of space "${log.space}" are missing`);
}
