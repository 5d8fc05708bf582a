import { dataLoss } from "../../errors.ts";
import type { Row } from "../../storage/port.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { lastPositionOf, segmentBlockKey, spaceBlockRange } from "../rows/key-space.ts";
import { type BlockRef, decodeSegmentBlock, decodeSpaceBlock, type SpaceBlock } from "../rows/rows.ts";
import { MAX_PAGE_BYTES, PAGE_BYTES, PageMeter } from "./page-size.ts";
import type { Page } from "./read-segment.ts";
import type { StoredSpace } from "./stored-space.ts";

/** What a reader may know better than the log. */
export interface SpaceReading {
  /** First offset that may exist. Default: the log's own view of it. */
  readonly firstOffset?: () => number;
  /** The rows from `from` on, where their reading has begun already. */
  readonly rows?: AsyncIterable<readonly Row[]>;
  /** Bytes of rows to read at a time. Default: as many as fill a page. */
  readonly pageBytes?: number;
}

/** Begins to read the rows of the space log from an offset on. */
export function scanSpace(log: StoredSpace, from: number, pageBytes = PAGE_BYTES): AsyncIterable<readonly Row[]> {
  return log.store.scan(log.partition, { ...spaceBlockRange(from), pageBytes });
}

/**
 * Reads the entries with offsets `from` to `through` from storage, in pages. Entries that were trimmed are left out.
 *
 * @throws ServerError DATA_LOSS when entries are missing or damaged (G11)
 */
export async function* readSpace(
  log: StoredSpace,
  from: number,
  through: number,
  { firstOffset = () => log.firstOffset, rows: given, pageBytes }: SpaceReading = {},
): AsyncGenerator<Page, void, undefined> {
  let expected = from;
  if (expected > through) return;
  // Taken before anything is read: once a mark is gone its rows are, but not from what was read before.
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

/** The batch that holds an offset, or the next one that exists; `undefined` when there is none. */
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

/** Leaves out what was trimmed, now or as of `trims`, and is still in the space log. */
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
 * Decodes rows and fetches what they refer to, several blocks with one request, in groups of the size of a page. Sizes
 * are counted before anything is fetched, so that no more than a group is in memory, however small the rows that lead
 * to it.
 */
async function* resolve(log: StoredSpace, rows: readonly Row[]): AsyncGenerator<ResolvedBlock[], void, undefined> {
  const meter = new PageMeter();
  let group: Part[] = [];
  for (const row of rows) {
    // One at a time: what is compressed may be much more than the row.
    const block = decodeSpaceBlock(row.value, log.space);
    // A reference is a part of its own, so that a row with many is still delivered in groups.
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
  /** Bytes of its batches, loaded or not. */
  readonly bytes: number;
}

function partsOf(block: SpaceBlock, lastOffset: number): Part[] {
  const { firstOffset, batches, commitId } = block;
  if (block.refs.length === 0) {
    const bytes = batches.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return [{ firstOffset, lastOffset, batches, commitId, bytes }];
  }
  return block.refs.map((ref, index) => ({
    // The row covers its whole range: what lies before the first and between the references was trimmed.
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
    // Trimmed between the reading of the row and of what it refers to.
    return [];
  }
  throw missing(log, ref.firstOffset, ref.firstOffset + ref.count - 1);
}

function missing(log: StoredSpace, from: number, through: number): Error {
  return dataLoss(`entries with offsets ${from} to ${through} of space "${log.space}" are missing`);
}
