import type { CommitBatch, Condition, Put, RowVersion, StorageLimits } from "../../storage/port.ts";
import { random64 } from "../random64.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import {
  effectiveSegmentHead,
  encodeSegmentHead,
  encodeSpaceHead,
  NEW_SEGMENT,
  type SegmentHead,
  type SpaceHead,
} from "../rows/heads.ts";
import {
  changeKey,
  HEAD_KEY,
  MAX_BLOCK_ENTRIES,
  segmentBlockKey,
  segmentHeadKey,
  spaceBlockKey,
  transactionKey,
} from "../rows/key-space.ts";
import type { RowCompression } from "../rows/row-frame.ts";
import {
  type BlockRef,
  type ChangeNote,
  type CommittedTransaction,
  encodeChangeNote,
  encodeCommittedTransaction,
  encodeSegmentBlock,
  encodeSpaceBlock,
  encodeSpaceRefs,
} from "../rows/rows.ts";

/** A row of small batches is closed at this size, so that a read of a page never loads much more. */
const MERGED_BLOCK_BYTES = 256 * 1024;

/**
 * Most rows that the mutations of a group with so many bytes share: the head, the note of changes, and rows of the
 * space log. Any two neighbouring rows of the space log together hold more than one full row.
 */
export function sharedRows(bytes: number): number {
  return 3 + Math.ceil((2 * bytes) / MERGED_BLOCK_BYTES);
}

/**
 * The next state of a space while a group of mutations is evaluated: an overlay over the committed state. The draft
 * becomes one atomic batch, and the committed state once that batch is durable.
 */
export class Draft {
  readonly space: string;
  /** Identifies this attempt at a commit; 0 if no other instance writes the store. */
  readonly commitId: bigint;
  head: SpaceHead;
  readonly #limits: StorageLimits;
  readonly #compression: RowCompression;
  readonly #initialHead: SpaceHead;
  readonly #committed: ReadonlyMap<string, SegmentHead>;
  readonly segments = new Map<string, SegmentHead>();
  /** First retained sequence by segment, for segments trimmed in this group; WHOLE_SPACE stands for the whole space. */
  readonly trims = new Map<string, number>();
  readonly batches: EncodedBatch[] = [];
  /** Transactions of this group by id. A repetition inside the group finds its first occurrence here. */
  readonly transactions = new Map<string, CommittedTransaction>();
  readonly #remembered: { id: string; transaction: CommittedTransaction; onlyIfAbsent: boolean }[] = [];
  /** Other rows by key; `undefined` deletes the row. The last write of a row counts. */
  readonly #rows = new Map<string, { readonly key: Uint8Array; readonly value: readonly Uint8Array[] | undefined }>();
  /** Segments whose heads change in a way that their entries do not show. */
  readonly #changed = new Set<string>();
  #removed = false;
  /** True if the changes are those of a copy: its batches may lack entries that their transactions once had. */
  copied = false;

  constructor(
    space: string,
    head: SpaceHead,
    committed: ReadonlyMap<string, SegmentHead>,
    limits: StorageLimits,
    compression: RowCompression,
    commitId: bigint,
  ) {
    this.space = space;
    this.commitId = commitId;
    this.head = head;
    this.#initialHead = head;
    this.#committed = committed;
    this.#limits = limits;
    this.#compression = compression;
  }

  /** True if there is something to write. */
  get dirty(): boolean {
    const { head, segments } = this;
    return head !== this.#initialHead || segments.size > 0 || this.#rows.size > 0 || this.#remembered.length > 0;
  }

  /** The head of a segment that the mutation lists in `segments`. */
  segment(name: string): SegmentHead {
    const head = this.segments.get(name) ?? this.#committed.get(name) ?? NEW_SEGMENT;
    return effectiveSegmentHead(head, this.head);
  }

  /** Changes a segment in a way that its entries do not show. */
  setSegment(name: string, head: SegmentHead): void {
    this.segments.set(name, head);
    this.#changed.add(name);
  }

  /** Appends a batch to a segment; `head` is the head of the segment after the batch. */
  append(batch: EncodedBatch, head: SegmentHead): void {
    this.batches.push(batch);
    this.segments.set(batch.segment, head);
  }

  /**
   * Remembers the result of a transaction in a row of its own. With `onlyIfAbsent`, the commit requires that the row is
   * new.
   */
  remember(id: string, transaction: CommittedTransaction, onlyIfAbsent: boolean): void {
    this.#remembered.push({ id, transaction, onlyIfAbsent });
  }

  /** Changes positions of the space without entries. The commit then counts as a change. */
  reposition(positions: Partial<SpaceHead>): void {
    this.head = { ...this.head, ...positions };
    this.#removed = true;
    this.copied = true;
  }

  /** Writes a row that belongs to the removal of entries. */
  put(key: Uint8Array, value: readonly Uint8Array[]): void {
    this.#rows.set(Buffer.from(key).toString("latin1"), { key, value });
    this.#removed = true;
  }

  /** Deletes a row that belongs to the removal of entries. */
  delete(key: Uint8Array): void {
    this.#rows.set(Buffer.from(key).toString("latin1"), { key, value: undefined });
    this.#removed = true;
  }

  /** The batch to commit, on condition that the head is still at `headVersion`. Called once, at the end. */
  toCommit(headVersion: RowVersion | null): CommitBatch {
    const { change } = this;
    if (change !== undefined) this.head = { ...this.head, changes: this.head.changes + 1 };
    if (headVersion === null) this.head = { ...this.head, incarnation: random64() };
    // G2: the head is a condition of every commit, and its first put.
    const puts: Put[] = [{ key: HEAD_KEY, value: encodeSpaceHead(this.head) }];
    for (const [name, head] of this.segments) puts.push({ key: segmentHeadKey(name), value: encodeSegmentHead(head) });
    this.#putSegmentBlocks(puts);
    this.#putSpaceBlocks(puts);
    const conditions: Condition[] = [{ key: HEAD_KEY, version: headVersion, alwaysWritten: true }];
    for (const { id, transaction, onlyIfAbsent } of this.#remembered) {
      const key = transactionKey(id);
      puts.push({ key, value: encodeCommittedTransaction(transaction) });
      if (onlyIfAbsent) conditions.push({ key, version: null, alwaysWritten: true });
    }
    if (change !== undefined) puts.push({ key: changeKey(this.head.changes), value: encodeChangeNote(change) });
    const deletes: Uint8Array[] = [];
    for (const { key, value } of this.#rows.values()) {
      if (value === undefined) deletes.push(key);
      else puts.push({ key, value });
    }
    return { conditions, puts, deletes };
  }

  /** Changes besides appended entries; undefined if there are none. */
  get change(): ChangeNote | undefined {
    if (this.#changed.size === 0 && !this.#removed) return undefined;
    const everything = this.head.deletedOffset !== this.#initialHead.deletedOffset;
    const shown = Map.groupBy(this.#changed, (name) => this.#isShown(name));
    return {
      segments: everything ? [] : (shown.get(true) ?? []),
      heads: everything ? [] : (shown.get(false) ?? []),
      everything,
      removed: this.#removed,
    };
  }

  /** Segments whose status changes; undefined for all segments. */
  get touched(): readonly string[] | undefined {
    if (this.change?.everything) return undefined;
    return [...this.segments.keys()].filter((name) => this.#isShown(name));
  }

  /** True if a status shows the change of a segment. */
  #isShown(name: string): boolean {
    const before = effectiveSegmentHead(this.#committed.get(name) ?? NEW_SEGMENT, this.#initialHead);
    const after = this.segment(name);
    return before.firstSequence !== after.firstSequence || before.lastSequence !== after.lastSequence;
  }

  #isLarge(batch: EncodedBatch): boolean {
    return batch.byteLength >= this.#limits.referenceThresholdBytes;
  }

  #putSegmentBlocks(puts: Put[]): void {
    const bySegment = Map.groupBy(this.batches, (batch) => batch.segment);
    for (const [segment, batches] of bySegment) {
      for (const run of runs(batches, (batch) => this.#isLarge(batch))) {
        const key = segmentBlockKey(segment, run[run.length - 1].lastSequence);
        puts.push({ key, value: encodeSegmentBlock(run, this.#compression) });
      }
    }
  }

  #putSpaceBlocks(puts: Put[]): void {
    let refs: BlockRef[] = [];
    let small: EncodedBatch[] = [];
    // A row covers all offsets since the row before. Only copies have gaps between their batches: removed entries.
    let next = Math.max(this.#initialHead.lastOffset + 1, this.head.firstOffset);
    const flushRefs = () => {
      if (refs.length === 0) return;
      const last = refs[refs.length - 1];
      const lastOffset = last.firstOffset + last.count - 1;
      puts.push({ key: spaceBlockKey(lastOffset), value: encodeSpaceRefs(next, refs, this.commitId) });
      next = lastOffset + 1;
      refs = [];
    };
    const flushSmall = () => {
      for (const run of runs(small, () => false)) {
        const { lastOffset } = run[run.length - 1];
        const value = encodeSpaceBlock(next, run, this.commitId, this.#compression);
        puts.push({ key: spaceBlockKey(lastOffset), value });
        next = lastOffset + 1;
      }
      small = [];
    };
    for (const batch of this.batches) {
      if (this.#isLarge(batch)) {
        flushSmall();
        const { segment, lastSequence, firstOffset, count, byteLength } = batch;
        refs.push({ segment, lastSequence, firstOffset, count, bytes: byteLength });
      } else {
        flushRefs();
        small.push(batch);
      }
    }
    flushSmall();
    flushRefs();
  }
}

/**
 * Splits batches into the runs that share a row: a large batch has its own row, small batches fill rows up to a size.
 */
function runs(batches: readonly EncodedBatch[], alone: (batch: EncodedBatch) => boolean): EncodedBatch[][] {
  const result: EncodedBatch[][] = [];
  let run: EncodedBatch[] = [];
  let bytes = 0;
  let entries = 0;
  for (const batch of batches) {
    const single = alone(batch);
    const full = bytes + batch.byteLength > MERGED_BLOCK_BYTES || entries + batch.count > MAX_BLOCK_ENTRIES;
    if (run.length > 0 && (single || full)) {
      result.push(run);
      run = [];
      bytes = entries = 0;
    }
    run.push(batch);
    bytes += batch.byteLength;
    entries += batch.count;
    if (single) {
      result.push(run);
      run = [];
      bytes = entries = 0;
    }
  }
  if (run.length > 0) result.push(run);
  return result;
}
