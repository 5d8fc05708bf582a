import { LRUCache } from "lru-cache";
import { dataLoss, StreamkitError } from "../errors.ts";
import type { PartitionStore, RowVersion } from "../storage/port.ts";
import type { EncodedBatch } from "./batch.ts";
import { type Draft, effectiveSegmentHead } from "./draft.ts";
import {
  HEAD_KEY,
  RECLAIM_RANGE,
  segmentBlockRange,
  segmentHeadKey,
  segmentOfReclaimKey,
  spaceBlockRange,
  spacePartition,
} from "./key-space.ts";
import { LiveHub } from "./live-hub.ts";
import { readSpace } from "./read-space.ts";
import { RecentTransactions } from "./recent-transactions.ts";
import {
  type CommittedTransaction,
  decodeSegmentHead,
  decodeSpaceHead,
  NEW_SEGMENT,
  NEW_SPACE,
  type SegmentHead,
  type SpaceHead,
} from "./rows.ts";

/** Segment heads kept in memory per space; others are read when they are needed. */
const CACHED_SEGMENTS = 65_536;
/** After a conflict, up to this many missed entries are read for the live hub; beyond, followers go back to storage. */
const MAX_MISSED_ENTRIES = 4_096;

/**
 * The committed state of one space, as far as this instance knows it: what readers and commits start from.
 *
 * Cold until it is loaded; then the head is known at a version, and all caches are valid at that version. Goes on to the
 * next version by an own commit (`advance`), or by reading what other instances committed (`refresh`).
 */
export class SpaceState {
  readonly space: string;
  readonly partition: string;
  readonly store: PartitionStore;
  readonly hub = new LiveHub();
  /** Other processes may write the store: nothing cached may be taken for the latest. */
  readonly shared: boolean;
  readonly #onUnfinished: () => void;
  // Bounded by size, because a bound by count reserves its memory at once: per space, 6 ms and 1.4 MB.
  readonly #segments = new LRUCache<string, SegmentHead>({ maxSize: CACHED_SEGMENTS, sizeCalculation: () => 1 });
  /** Segments whose trimmed entries may still be in the space log, and the first sequence that exists. */
  #trimmed = new Map<string, number>();
  #head: SpaceHead = NEW_SPACE;
  #headVersion: RowVersion | null = null;
  #recent = new RecentTransactions(0);
  #loading: Promise<void> | undefined;
  #loaded = false;
  #exclusive: Promise<unknown> = Promise.resolve();
  #generation = 0;
  #removals = 0;

  /** @param onUnfinished called when loaded rows of trimmed entries are left to remove: a reclaimer was interrupted */
  constructor(space: string, store: PartitionStore, shared: boolean, onUnfinished: () => void) {
    this.space = space;
    this.partition = spacePartition(space);
    this.store = store;
    this.shared = shared;
    this.#onUnfinished = onUnfinished;
  }

  /** The committed state. Call `sync()` first. */
  get head(): SpaceHead {
    return this.#head;
  }

  /** First offset that may exist. */
  get firstOffset(): number {
    return Math.max(this.#head.firstOffset, this.#head.deletedOffset + 1);
  }

  /** The version of the head row; null when there is none. */
  get headVersion(): RowVersion | null {
    return this.#headVersion;
  }

  get recent(): RecentTransactions {
    return this.#recent;
  }

  /** Grows whenever another instance was seen to have changed the space. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Grows whenever entries stop to exist, and whenever their rows are gone: what was read from storage before may hold
   * entries that nobody must see any more, so readers start a new scan.
   */
  get removals(): number {
    return this.#removals;
  }

  /**
   * Makes `head` the latest committed state (G5): from memory when this process alone writes the store, by reading the
   * head row when others may.
   */
  async sync(): Promise<SpaceHead> {
    if (!this.#loaded) await this.load();
    else if (this.shared) await this.alone(() => this.refresh());
    return this.#head;
  }

  /** The head of a segment, as of `head`. Call `sync()` first. */
  async segmentHead(segment: string): Promise<SegmentHead> {
    const cached = this.#segments.get(segment);
    if (cached !== undefined) return effectiveSegmentHead(cached, this.#head);
    const row = await this.store.get(this.partition, segmentHeadKey(segment));
    // What a commit has put there in the meantime is newer than what was read.
    const head = this.#segments.get(segment) ?? (row && decodeSegmentHead(row.value, segment));
    if (head !== undefined) return effectiveSegmentHead(head, this.#head);
    await this.#checkNeverWritten(segment);
    return NEW_SEGMENT;
  }

  /**
   * The head of a segment as it is stored now. A reader that misses rows asks for it before it says DATA_LOSS: they may
   * have been trimmed and removed while it read, here or by another instance.
   */
  async storedSegmentHead(segment: string): Promise<SegmentHead> {
    const [space, row] = await this.store.getMany(this.partition, [HEAD_KEY, segmentHeadKey(segment)]);
    const head = row === undefined ? NEW_SEGMENT : decodeSegmentHead(row.value, segment);
    return space === undefined ? head : effectiveSegmentHead(head, decodeSpaceHead(space.value, this.space));
  }

  /** First offset that may exist, as stored now; as `storedSegmentHead`. */
  async storedFirstOffset(): Promise<number> {
    const row = await this.store.get(this.partition, HEAD_KEY);
    const head = row === undefined ? NEW_SPACE : decodeSpaceHead(row.value, this.space);
    return Math.max(head.firstOffset, head.deletedOffset + 1);
  }

  /** First sequence of the segment that exists, if a trim still waits for its rows to be removed; 1 otherwise. */
  trimmedBefore(segment: string): number {
    return this.#trimmed.get(segment) ?? 1;
  }

  /** True while trimmed entries may still be in the space log. */
  get hasTrimmed(): boolean {
    return this.#trimmed.size > 0;
  }

  /** The trims whose rows may still be there, as of now; see `trimmedBefore`. */
  trims(): ReadonlyMap<string, number> {
    return new Map(this.#trimmed);
  }

  /** Segments with rows left to remove; "" stands for the space itself. */
  get pendingReclaims(): readonly string[] {
    return [...this.#trimmed.keys()];
  }

  /** Called by the reclaimer when the rows of a trim are gone; a later trim of the segment stays marked. */
  reclaimed(segment: string, before: number): void {
    if (this.#trimmed.get(segment) !== before) return;
    this.#trimmed.delete(segment);
    // Pages and rings that were read before still have the entries, and from now on nothing says that they are gone.
    this.#forgetRemoved();
  }

  /** Takes over what was committed. `version` is that of the head row. */
  protected advance(draft: Draft, version: RowVersion): void {
    this.#head = draft.head;
    this.#headVersion = version;
    for (const [segment, head] of draft.segments) this.#segments.set(segment, head);
    for (const [segment, first] of draft.trims) this.#trimmed.set(segment, first);
    if (draft.trims.size > 0) this.#forgetRemoved();
    for (const [id, transaction] of draft.transactions) this.#recent.add(id, transaction);
    this.hub.publish(draft.batches);
  }

  /** Makes readers go back to storage, where trimmed entries are left out. */
  #forgetRemoved(): void {
    this.#removals++;
    this.hub.forget();
  }

  /** The heads of some segments, for one evaluation; those that cannot be read are in `damaged`, with the reason. */
  protected async segmentHeads(segments: Iterable<string>) {
    const heads = new Map<string, SegmentHead>();
    const damaged = new Map<string, StreamkitError>();
    const missing: string[] = [];
    for (const segment of segments) {
      if (heads.has(segment)) continue;
      const cached = this.#segments.get(segment);
      heads.set(segment, cached ?? NEW_SEGMENT);
      if (cached === undefined) missing.push(segment);
    }
    if (missing.length === 0 || this.#headVersion === null) return { heads, damaged };
    const rows = await this.store.getMany(this.partition, missing.map(segmentHeadKey));
    await Promise.all(
      missing.map(async (segment, index) => {
        const row = rows[index];
        try {
          if (row === undefined) {
            if (!this.shared) await this.#checkNeverWritten(segment);
            return;
          }
          const head = decodeSegmentHead(row.value, segment);
          heads.set(segment, head);
          this.#segments.set(segment, head);
        } catch (error) {
          damaged.set(segment, asStreamkitError(error));
        }
      }),
    );
    return { heads, damaged };
  }

  /** G11: a segment without a head has no blocks either; else its head was lost, and appending would overwrite them. */
  async #checkNeverWritten(segment: string): Promise<void> {
    const { gte } = segmentBlockRange(segment, 0, 0);
    const { lt } = segmentBlockRange(segment, 0, Number.MAX_SAFE_INTEGER - 100_000);
    for await (const page of this.store.scan(this.partition, { gte, lt, limit: 1 })) {
      // It may have been written for the first time since the head was looked for.
      if (page.length === 0 || (await this.store.get(this.partition, segmentHeadKey(segment))) !== undefined) return;
      throw dataLoss(`segment "${segment}" of space "${this.space}" has entries but no head`);
    }
  }

  /** Loads the state unless it is loaded; one loading at a time. */
  protected load(): Promise<void> {
    if (this.#loaded) return Promise.resolve();
    this.#loading ??= this.#readState().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #readState(): Promise<void> {
    const row = await this.store.get(this.partition, HEAD_KEY);
    if (row === undefined) {
      for await (const page of this.store.scan(this.partition, { ...spaceBlockRange(0), limit: 1 })) {
        if (page.length > 0) throw dataLoss(`space "${this.space}" has entries but no head`);
      }
    }
    const head = row === undefined ? NEW_SPACE : decodeSpaceHead(row.value, this.space);
    const trimmed = row === undefined ? new Map<string, number>() : await this.#readTrimmed();
    this.#head = head;
    this.#headVersion = row?.version ?? null;
    this.#trimmed = trimmed;
    // Nothing of this space was committed later than the head says, so an old head means an empty window.
    this.#recent = new RecentTransactions(head.lastTime);
    this.#loaded = true;
    if (trimmed.size > 0) this.#onUnfinished();
  }

  async #readTrimmed(): Promise<Map<string, number>> {
    const segments: string[] = [];
    for await (const page of this.store.scan(this.partition, RECLAIM_RANGE)) {
      for (const row of page) segments.push(segmentOfReclaimKey(row.key));
    }
    const named = segments.filter((segment) => segment !== "");
    const heads = await this.store.getMany(this.partition, named.map(segmentHeadKey));
    const trimmed = new Map<string, number>();
    named.forEach((segment, index) => {
      const row = heads[index];
      if (row !== undefined) trimmed.set(segment, decodeSegmentHead(row.value, segment).firstSequence);
    });
    if (segments.length > named.length) trimmed.set("", 1);
    return trimmed;
  }

  /** Catches up with what other instances committed; false when that is nothing. */
  protected async refresh(): Promise<boolean> {
    const row = await this.store.get(this.partition, HEAD_KEY);
    if ((row?.version ?? null) === this.#headVersion) return false;
    const before = this.#head;
    const head = row === undefined ? NEW_SPACE : decodeSpaceHead(row.value, this.space);
    const trimmed = await this.#readTrimmed();
    const missed = await this.#readMissed(before, head);
    this.#generation++;
    this.#head = head;
    this.#headVersion = row?.version ?? null;
    this.#segments.clear();
    this.#trimmed = trimmed;
    this.#forgetRemoved();
    if (missed === undefined) {
      this.#recent = new RecentTransactions(head.lastTime);
      this.hub.wake();
    } else {
      // What was trimmed meanwhile cannot be read any more: its transactions have to be looked up (G7).
      const found = missed.reduce((sum, batch) => sum + batch.count, 0);
      if (found < head.lastOffset - before.lastOffset) this.#recent = new RecentTransactions(head.lastTime);
      else for (const [id, transaction] of transactionsOf(missed)) this.#recent.add(id, transaction);
      this.hub.publish(missed);
    }
    return true;
  }

  /** The batches committed between two heads, or undefined when they are too many to be worth it. */
  async #readMissed(before: SpaceHead, after: SpaceHead): Promise<EncodedBatch[] | undefined> {
    if (after.lastOffset - before.lastOffset > MAX_MISSED_ENTRIES || after.deletedOffset !== before.deletedOffset) {
      return undefined;
    }
    const missed: EncodedBatch[] = [];
    const from = before.lastOffset + 1;
    for await (const page of readSpace(this, from, after.lastOffset, () => after.firstOffset))
      missed.push(...page.batches);
    return missed;
  }

  /** Runs one change of state at a time. */
  protected alone<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(action, action);
    this.#exclusive = result.catch(() => undefined);
    return result;
  }
}

/** Passes on what is ours; anything else is a defect, and fails the whole group. */
export function asStreamkitError(error: unknown): StreamkitError {
  if (error instanceof StreamkitError) return error;
  throw error;
}

/** Reconstructs results from the log: all batches of a transaction, in offset order. */
function transactionsOf(batches: readonly EncodedBatch[]): [string, CommittedTransaction][] {
  return [...Map.groupBy(batches, (batch) => batch.transactionId)].map(([id, group]) => [
    id,
    {
      number: group[0].transactionNumber,
      commitTime: group[0].commitTime,
      ranges: group.map(({ segment, firstSequence, lastSequence, firstOffset }) => ({
        segment,
        firstSequence,
        lastSequence,
        firstOffset,
      })),
    },
  ]);
}
