import { LRUCache } from "lru-cache";
import { dataLoss, ServerError, StoreDeletedError } from "../../errors.ts";
import type { PartitionStore, Row, RowVersion } from "../../storage/port.ts";
import type { Draft } from "../commit/draft.ts";
import { LiveHub } from "../live/live-hub.ts";
import type { StoredSpace } from "../read/stored-space.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import {
  decodeSegmentHead,
  decodeSpaceHead,
  effectiveSegmentHead,
  headAfter,
  NEW_SEGMENT,
  NEW_SPACE,
  revisionOf,
  type SegmentHead,
  type SpaceHead,
} from "../rows/heads.ts";
import {
  HEAD_KEY,
  RECLAIM_RANGE,
  segmentBlockRange,
  segmentHeadKey,
  segmentOfReclaimKey,
  spaceBlockRange,
  spacePartition,
  WHOLE_SPACE,
} from "../rows/key-space.ts";
import type { ChangeNote } from "../rows/rows.ts";
import { SharedRun } from "../shared-run.ts";
import { beginScan, readChanges, readMissed, transactionsOf } from "./missed.ts";
import { RecentTransactions } from "./recent-transactions.ts";

/** Segment heads kept in memory per space; others are read when they are needed. */
const CACHED_SEGMENTS = 65_536;
/** An instance that has written this lately, in milliseconds, keeps its caches up to date with what others write. */
const WRITER_MILLIS = 60_000;

/**
 * The committed state of one space, as far as this instance knows it: what readers and commits start from.
 *
 * Cold until it is loaded; then the head is known at a version, and all caches are valid at that version. Goes on to a
 * later version by an own commit (`advance`), or by reading what other instances committed (`catchUp`). Both may be
 * under way at the same time: whichever learns of a revision first takes it over, in one turn of the event loop, and
 * none goes back.
 */
export class SpaceState implements StoredSpace {
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
  readonly #refreshes = new SharedRun((expectNews) => this.#refresh(expectNews));
  #lastCommit = Number.NEGATIVE_INFINITY;
  /** Set while a commit may have happened: then what others commit is read as well, as it may be that one. */
  protected unsettled = false;
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

  /** Rises with every commit, whoever makes it. */
  get revision(): number {
    return revisionOf(this.#head);
  }

  get recent(): RecentTransactions {
    return this.#recent;
  }

  /** Grows whenever another instance was seen to have removed entries or their rows. */
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
   *
   * @throws StoreDeletedError when another instance deleted the store since it was loaded
   */
  async sync(): Promise<SpaceHead> {
    if (this.shared) await this.catchUp();
    else await this.load();
    return this.#head;
  }

  /**
   * Learns what other instances committed before this call; true when that is something. Callers that wait share one
   * request.
   *
   * @param expectNews there is something new, so that head and log are read at the same time
   */
  async catchUp(expectNews = false): Promise<boolean> {
    if (this.#loaded) return this.#refreshes.run(expectNews);
    // One that is under way may have begun before what the caller has to see.
    const joined = this.#loading !== undefined;
    await this.load();
    if (joined) await this.#refreshes.run();
    return true;
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

  /** Segments with rows left to remove; WHOLE_SPACE stands for the space itself. */
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

  /** Takes over what this instance committed. `version` is that of the head row. */
  protected advance(draft: Draft, version: RowVersion): void {
    this.#lastCommit = performance.now();
    for (const [id, transaction] of draft.transactions) this.#recent.add(id, transaction);
    // Read back already, perhaps with more on top of it.
    if (revisionOf(draft.head) <= this.revision) return;
    this.#head = draft.head;
    this.#headVersion = version;
    for (const [segment, head] of draft.segments) this.#segments.set(segment, head);
    for (const [segment, first] of draft.trims) this.#trimmed.set(segment, first);
    if (draft.trims.size > 0) this.#forgetRemoved();
    this.hub.touch(() => draft.touched);
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
    const damaged = new Map<string, ServerError>();
    const missing: string[] = [];
    for (const segment of segments) {
      if (heads.has(segment)) continue;
      const cached = this.#segments.get(segment);
      heads.set(segment, cached ?? NEW_SEGMENT);
      if (cached === undefined) missing.push(segment);
    }
    if (missing.length === 0 || this.#headVersion === null) return { heads, damaged };
    const { revision } = this;
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
          // As of a state that was left meanwhile it is of no use any more.
          if (this.revision === revision) this.#segments.set(segment, head);
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
    const row = (await this.store.get(this.partition, HEAD_KEY)) ?? (await this.#checkEmpty());
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

  /** G11: a space without a head has no entries either; unless it is being written for the first time right now. */
  async #checkEmpty(): Promise<Row | undefined> {
    for await (const page of this.store.scan(this.partition, { ...spaceBlockRange(0), limit: 1 })) {
      if (page.length === 0) continue;
      const head = await this.store.get(this.partition, HEAD_KEY);
      if (head === undefined) throw dataLoss(`space "${this.space}" has entries but no head`);
      return head;
    }
    return undefined;
  }

  async #readTrimmed(): Promise<Map<string, number>> {
    const segments: string[] = [];
    for await (const page of this.store.scan(this.partition, RECLAIM_RANGE)) {
      for (const row of page) segments.push(segmentOfReclaimKey(row.key));
    }
    const named = segments.filter((segment) => segment !== WHOLE_SPACE);
    const heads = await this.store.getMany(this.partition, named.map(segmentHeadKey));
    const trimmed = new Map<string, number>();
    named.forEach((segment, index) => {
      const row = heads[index];
      if (row !== undefined) trimmed.set(segment, decodeSegmentHead(row.value, segment).firstSequence);
    });
    if (segments.length > named.length) trimmed.set(WHOLE_SPACE, 1);
    return trimmed;
  }

  /** Catches up with what other instances committed; false when that is nothing. */
  async #refresh(expectNews: boolean): Promise<boolean> {
    const before = this.#head;
    const existed = this.#headVersion !== null;
    const writing = this.unsettled || performance.now() - this.#lastCommit < WRITER_MILLIS;
    const caching = writing || this.hub.followers > 0;
    const early = expectNews && caching ? beginScan(this, before.lastOffset + 1) : undefined;
    const row = await this.store.get(this.partition, HEAD_KEY);
    const head = row === undefined ? NEW_SPACE : decodeSpaceHead(row.value, this.space);
    const same = (row?.version ?? null) === this.#headVersion;
    // A head does not disappear, and a space does not begin anew, unless with its store.
    const gone = existed && (row === undefined || head.incarnation !== before.incarnation);
    if (gone || same || revisionOf(head) <= this.revision) {
      early?.abandon();
      if (gone) throw new StoreDeletedError();
      return false;
    }
    const changed = head.changes !== this.#head.changes;
    const [change, trimmed, missed] = await Promise.all([
      changed ? readChanges(this, this.#head, head) : undefined,
      changed ? this.#readTrimmed() : undefined,
      caching ? readMissed(this, before, head, early) : undefined,
    ]);
    // From here to the end without waiting. An own commit may have moved the state on meanwhile.
    if (revisionOf(head) <= this.revision) return true;
    const { lastOffset } = this.#head;
    this.#head = head;
    this.#headVersion = row?.version ?? null;
    this.#trimmed = trimmed ?? this.#trimmed;
    if (change !== undefined) this.#apply(change);
    this.#absorb(missed, lastOffset, head, change?.removed);
    return true;
  }

  /** Brings caches and readers on over what changed besides entries. */
  #apply({ segments, heads, everything, removed }: ChangeNote): void {
    if (everything) this.#segments.clear();
    for (const segment of [...segments, ...heads]) this.#segments.delete(segment);
    if (removed || everything) {
      this.#generation++;
      this.#forgetRemoved();
    }
    this.hub.touch(() => (everything ? undefined : segments));
  }

  /**
   * Brings caches and followers from an offset on to a head. With `removed`, entries among `missed` may be gone by now.
   */
  #absorb(missed: readonly EncodedBatch[] | undefined, from: number, head: SpaceHead, removed = false): void {
    const batches = missed?.filter((batch) => batch.firstOffset > from);
    const found = batches?.reduce((sum, batch) => sum + batch.count, 0);
    // What was trimmed meanwhile cannot be read any more: its transactions have to be looked up (G7).
    if (batches === undefined || found !== head.lastOffset - from) {
      this.#segments.clear();
      this.#recent = new RecentTransactions(head.lastTime);
    } else {
      for (const batch of batches) this.#passOn(batch);
      for (const [id, transaction] of transactionsOf(batches)) this.#recent.add(id, transaction);
    }
    this.hub.touch(() => batches?.map((batch) => batch.segment));
    if (batches === undefined || removed) {
      // What the rings have would not go on without a gap. Whoever reads storage now finds what is left.
      this.hub.forget();
      this.hub.wake();
    } else {
      this.hub.publish(batches);
    }
  }

  /** Brings the cached head of a segment on to a batch that another instance appended. */
  #passOn(batch: EncodedBatch): void {
    const cached = this.#segments.get(batch.segment);
    if (cached === undefined || cached.lastSequence >= batch.lastSequence) return;
    if (cached.lastSequence + 1 !== batch.firstSequence) this.#segments.delete(batch.segment);
    else this.#segments.set(batch.segment, headAfter(effectiveSegmentHead(cached, this.#head), batch));
  }
}

/** Passes on what is ours; anything else is a defect, and fails the whole group. */
export function asStreamkitError(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  throw error;
}
