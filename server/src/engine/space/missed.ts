import type { Row } from "../../storage/port.ts";
import { readSpace, scanSpace } from "../read/read-space.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import type { SpaceHead } from "../rows/heads.ts";
import { changeRange, lastPositionOf } from "../rows/key-space.ts";
import { type ChangeNote, type CommittedTransaction, decodeChangeNote } from "../rows/rows.ts";
import type { SpaceState } from "./space-state.ts";

/**
 * Most entries and bytes that a refresh reads of the commits of other instances. Past these limits, caches start anew
 * and followers read storage themselves.
 */
const MAX_ENTRIES = 4_096;
const MAX_BYTES = 8 * 1024 * 1024;
/** Most changes besides appends that a refresh reads. Past this limit, all cached state is read again. */
const MAX_CHANGES = 256;

/** A scan of the space log that began before its end was known. */
export interface EarlyScan {
  /** All rows up to the end of the log at the time of the last request. */
  rows(): AsyncGenerator<readonly Row[], void, undefined>;
  /** Stops the scan. */
  abandon(): void;
}

/** Sends the first request of a scan from offset `from` on, for callers that expect new entries. */
export function beginScan(state: SpaceState, from: number): EarlyScan {
  const pages = scanSpace(state, from)[Symbol.asyncIterator]();
  const first = pages.next();
  first.catch(() => undefined);
  return {
    async *rows() {
      let next = from;
      for (let page = await first; page.done !== true; page = await pages.next()) {
        next = lastPositionOf(page.value[page.value.length - 1].key) + 1;
        yield page.value;
      }
      // The log may have grown between the first request and the read of the head.
      yield* scanSpace(state, next);
    },
    abandon: () => void pages.return?.().catch(() => undefined),
  };
}

/**
 * The batches committed between two heads, in offset order and without trimmed entries. Returns undefined when the
 * batches are too many to be worth reading.
 *
 * @throws ServerError DATA_LOSS (G11)
 */
export async function readMissed(
  state: SpaceState,
  before: SpaceHead,
  after: SpaceHead,
  early: EarlyScan | undefined,
): Promise<readonly EncodedBatch[] | undefined> {
  const tooMany = after.lastOffset - before.lastOffset > MAX_ENTRIES;
  if (tooMany || after.deletedOffset !== before.deletedOffset) {
    early?.abandon();
    return undefined;
  }
  const missed: EncodedBatch[] = [];
  let bytes = 0;
  const reading = { firstOffset: () => after.firstOffset, ...(early && { rows: early.rows() }) };
  for await (const page of readSpace(state, before.lastOffset + 1, after.lastOffset, reading)) {
    for (const batch of page.batches) {
      missed.push(batch);
      bytes += batch.byteLength;
    }
    if (bytes > MAX_BYTES) return undefined;
  }
  return missed;
}

/**
 * Changes of other instances between two heads, besides appends. Returns `everything` if some notes no longer exist.
 */
export async function readChanges(state: SpaceState, before: SpaceHead, after: SpaceHead): Promise<ChangeNote> {
  const segments = new Set<string>();
  const heads = new Set<string>();
  const wanted = after.changes - before.changes;
  let everything = wanted > MAX_CHANGES;
  let removed = everything;
  let found = 0;
  if (!everything) {
    const range = changeRange(before.changes + 1, after.changes);
    for await (const rows of state.store.scan(state.partition, range)) {
      for (const row of rows) {
        const note = decodeChangeNote(row.value);
        for (const segment of note.segments) segments.add(segment);
        for (const segment of note.heads) heads.add(segment);
        everything ||= note.everything;
        removed ||= note.removed;
        found++;
      }
    }
    if (found < wanted) everything = removed = true;
  }
  return { segments: [...segments], heads: [...heads], everything, removed };
}

/** Rebuilds results from the log. `batches` has all batches of each transaction, in offset order. */
export function transactionsOf(batches: readonly EncodedBatch[]): [string, CommittedTransaction][] {
  return [...Map.groupBy(batches, (batch) => batch.transactionId)].map(([id, group]) => [
    id,
    {
      number: group[0].transactionNumber,
      commitTimeMicros: group[0].commitTimeMicros,
      commitId: group[0].commitId,
      ranges: group.map(({ segment, firstSequence, lastSequence, firstOffset }) => ({
        segment,
        firstSequence,
        lastSequence,
        firstOffset,
      })),
    },
  ]);
}
