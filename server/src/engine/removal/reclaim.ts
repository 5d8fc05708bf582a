import type { Row } from "../../storage/port.ts";
import type { Draft } from "../commit/draft.ts";
import type { Mutation } from "../commit/group-commit.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { decodeSegmentHead, effectiveSegmentHead } from "../rows/heads.ts";
import {
  lastPositionOf,
  reclaimKey,
  segmentBlockRange,
  segmentHeadRange,
  segmentOfHeadKey,
  spaceBlockKey,
  spaceBlockRange,
  WHOLE_SPACE,
} from "../rows/key-space.ts";
import {
  decodeSegmentBlock,
  encodeSegmentBlock,
  encodeSpaceBlock,
  encodeSpaceRefs,
  type SpaceBlock,
} from "../rows/rows.ts";
import type { SpaceLog } from "../space/space-log.ts";
import { SpaceEdits } from "./space-edits.ts";

/** Most rows of a segment that one step removes. Bounds the batch, and the time for which appends wait behind it. */
const ROWS_PER_STEP = 32;
/** Most bytes of rows that one step holds in memory. */
const MAX_READ_BYTES = 4 * 1024 * 1024;

/**
 * Removes the rows of trimmed entries, in small steps between appends. One reclaimer runs per space and instance.
 *
 * Every moment is consistent, because readers obey the heads, and the trim has already changed the heads; the rows
 * follow later. If a range leaves the middle of the space log, the reclaimer writes a hole row in its place, so that a
 * reader can tell a removed range from a lost row (G11). Adjacent holes are merged. A hole at the start advances
 * `first_offset` instead.
 *
 * @throws ServerError of the storage; DATA_LOSS if a row is damaged
 */
export async function reclaimSpace(log: SpaceLog, signal: AbortSignal): Promise<void> {
  for (const segment of log.pendingReclaims) {
    for (let finished = false; !finished; ) {
      if (signal.aborted) return;
      const mark = log.trimmedBefore(segment);
      finished = segment === WHOLE_SPACE ? await deletedSpaceStep(log) : await segmentStep(log, segment);
      if (finished) log.reclaimed(segment, mark);
    }
  }
}

/**
 * The changes of one step. The mutation does nothing if another instance has changed the space since the step read its
 * rows.
 */
class ReclaimMutation implements Mutation<boolean> {
  readonly segments: readonly string[];
  readonly bytes: number;
  readonly operations: number;
  readonly #change: (draft: Draft) => void;
  readonly #log: SpaceLog;
  readonly #generation: number;

  /** @param generation generation of the log before the step read its rows */
  constructor(
    log: SpaceLog,
    generation: number,
    segments: readonly string[],
    bytes: number,
    operations: number,
    change: (draft: Draft) => void,
  ) {
    this.#log = log;
    this.#generation = generation;
    this.segments = segments;
    this.bytes = bytes;
    this.operations = operations;
    this.#change = change;
  }

  /** Returns false if the mutation did nothing. */
  apply(draft: Draft): boolean {
    // Another instance may have changed the rows. The reclaimer reads them again.
    if (this.#log.generation !== this.#generation) return false;
    this.#change(draft);
    return true;
  }
}

/** Removes some rows of a trimmed segment. Returns true if no rows are left to remove. */
async function segmentStep(log: SpaceLog, segment: string): Promise<boolean> {
  await log.sync();
  const { generation } = log;
  const head = await log.segmentHead(segment);
  const through = head.firstSequence - 1;
  const rows = await takeRows(log, segment, head.reclaimedSequence + 1, through);
  const edits = new SpaceEdits(log);
  const deletes: Uint8Array[] = [];
  const puts: { key: Uint8Array; value: Uint8Array[] }[] = [];
  // Half of a batch, so that the row that exceeds it still fits.
  const mostBytes = log.store.limits.maxBatchBytes / 2;
  let reclaimed = through;
  for (const row of rows) {
    const block = decodeSegmentBlock(row.value, segment);
    const last = lastPositionOf(row.key);
    const kept = block.batches.flatMap((batch) => cut(batch, through));
    if (kept.length === 0) deletes.push(row.key);
    else puts.push({ key: row.key, value: encodeSegmentBlock(kept, "none") });
    for (const batch of block.batches) {
      if (batch.firstSequence <= through)
        await edits.remove(batch, Math.min(batch.count, through - batch.firstSequence + 1));
    }
    reclaimed = Math.min(through, last);
    if (edits.bytes > mostBytes) break;
  }
  const finished = rows.length === 0 || reclaimed === through;
  const space = await edits.finish();
  const operations = deletes.length + puts.length + space.puts.size + space.deletes.size + 2;
  const applied = await log.submit(
    new ReclaimMutation(log, generation, [segment], 0, operations, (draft) => {
      for (const key of deletes) draft.delete(key);
      for (const { key, value } of puts) draft.put(key, value);
      for (const [offset, block] of space.puts) draft.put(spaceBlockKey(offset), encodeBlock(block));
      for (const offset of space.deletes) draft.delete(spaceBlockKey(offset));
      if (space.firstOffset > draft.head.firstOffset) draft.head = { ...draft.head, firstOffset: space.firstOffset };
      const current = draft.segment(segment);
      draft.setSegment(segment, { ...current, reclaimedSequence: Math.max(current.reclaimedSequence, reclaimed) });
      // A trim that arrived meanwhile needs another round; it has written its own mark.
      if (finished && current.firstSequence - 1 === through) draft.delete(reclaimKey(segment));
    }),
  );
  return applied && finished && (await log.segmentHead(segment)).firstSequence - 1 === through;
}

/** Removes some rows of a deleted space. Returns true if no rows are left to remove. */
async function deletedSpaceStep(log: SpaceLog): Promise<boolean> {
  const { deletedOffset } = await log.sync();
  const { generation } = log;
  const deletes: Uint8Array[] = [];
  let firstOffset = log.head.firstOffset;
  for await (const rows of log.store.scan(log.partition, { ...spaceBlockRange(0), limit: ROWS_PER_STEP })) {
    for (const row of rows) {
      const last = lastPositionOf(row.key);
      if (last > deletedOffset) break;
      deletes.push(row.key);
      firstOffset = last + 1;
    }
  }
  if (deletes.length === 0) deletes.push(...(await takeDeletedBlocks(log, deletedOffset)));
  const finished = deletes.length === 0;
  const applied = await log.submit(
    new ReclaimMutation(log, generation, [], 0, deletes.length + 2, (draft) => {
      for (const key of deletes) draft.delete(key);
      if (firstOffset > draft.head.firstOffset) draft.head = { ...draft.head, firstOffset };
      if (finished && draft.head.deletedOffset === deletedOffset) draft.delete(reclaimKey(WHOLE_SPACE));
    }),
  );
  return applied && finished && log.head.deletedOffset === deletedOffset;
}

/** Returns the keys of some segment blocks that remain from a deleted space. */
async function takeDeletedBlocks(log: SpaceLog, deletedOffset: number): Promise<Uint8Array[]> {
  for await (const rows of log.store.scan(log.partition, segmentHeadRange(""))) {
    for (const row of rows) {
      const segment = segmentOfHeadKey(row.key);
      const head = effectiveSegmentHead(decodeSegmentHead(row.value, segment), log.head);
      const found = await takeRows(log, segment, 1, head.firstSequence - 1);
      const keys = found
        .filter((block) => decodeSegmentBlock(block.value, segment).batches.every((b) => b.lastOffset <= deletedOffset))
        .map((block) => block.key);
      if (keys.length > 0) return keys;
    }
  }
  return [];
}

async function takeRows(log: SpaceLog, segment: string, from: number, through: number): Promise<Row[]> {
  const taken: Row[] = [];
  let bytes = 0;
  if (from > through) return taken;
  const range = segmentBlockRange(segment, from, through);
  for await (const rows of log.store.scan(log.partition, { ...range, limit: ROWS_PER_STEP })) {
    for (const row of rows) {
      const block = decodeSegmentBlock(row.value, segment);
      if (block.firstSequence > through || bytes > MAX_READ_BYTES) return taken;
      taken.push(row);
      bytes += row.value.length;
    }
  }
  return taken;
}

function cut(batch: EncodedBatch, through: number): EncodedBatch[] {
  if (batch.lastSequence <= through) return [];
  return [batch.slice(Math.max(0, through - batch.firstSequence + 1), batch.count)];
}

function encodeBlock(block: SpaceBlock): Uint8Array[] {
  return block.refs.length > 0
    ? encodeSpaceRefs(block.firstOffset, block.refs, block.commitId)
    : encodeSpaceBlock(block.firstOffset, block.batches, block.commitId, "none");
}
