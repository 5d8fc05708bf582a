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
import { SegmentHeads } from "./segment-heads.ts";
import { SegmentTails } from "./segment-tails.ts";

/** An instance that committed within this time, in milliseconds, keeps its caches current with commits of others. */
const WRITER_MILLIS = 60_000;

/**
 * The committed state of one space as this instance knows it: the starting point of reads and commits.
 *
 * The state is cold until it is loaded. From then on it has the head at a version, and all caches are valid at that
 * version. An own commit moves it to a later version (`advance`), as does a read of the commits of other instances
 * (`catchUp`). Both may be under way at the same time: the first to learn of a revision takes it over, in one turn of
 * the event loop, and no revision goes back.
 */
export class SpaceState implements StoredSpace {
  readonly space: string;
  readonly partition: string;
  readonly store: PartitionStore;
  readonly hub = new LiveHub();
  readonly tails = new SegmentTails();
  /** True if other processes may write the store: a cached value may then be out of date. */
  readonly shared: boolean;
  readonly #onUnfinished: () => void;
  readonly #segments = new SegmentHeads();
  /** First existing sequence by segment, for segments whose trimmed entries may still be in the space log. */
  #trimmed = new Map<string, number>();
  #head: SpaceHead = NEW_SPACE;
  #headVersion: RowVersion | null = null;
  #recent = new RecentTransactions(0);
  #loading: Promise<void> | undefined;
  #loaded = false;
  readonly #refreshes = new SharedRun((expectNews) => this.#refresh(expectNews));
  #lastCommit = Number.NEGATIVE_INFINITY;
  /**
   * True while the outcome of a commit is unknown. Refreshes then read other instances' commits too; one may be ours.
   */
  protected unsettled = false;
  #generation = 0;
  #removals = 0;

  /**
   * @param onUnfinished called when a loaded state has rows of trimmed entries to remove: a reclaimer was interrupted
   */
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

  /** The version of the head row; null if there is none. */
  get headVersion(): RowVersion | null {
    return this.#headVersion;
  }

  /** Rises with every commit of any instance. */
  get revision(): number {
    return revisionOf(this.#head);
  }

  get recent(): RecentTransactions {
    return this.#recent;
  }

  /** Grows whenever this instance learns that another instance removed entries or their rows. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Grows whenever entries stop to exist, and whenever their rows are gone. Pages read before may hold entries that no
   * reader may see any more, so readers start a new scan.
   */
  get removals(): number {
    return this.#removals;
  }

  /**
   * Makes `head` the latest committed state (G5): from memory if only this process writes the store, else by a read of
   * the head row.
   *
   * @throws StoreDeletedError when another instance deleted the store since it was loaded
   */
  async sync(): Promise<SpaceHead> {
    if (this.shared) await this.catchUp();
    else await this.load();
    return this.#head;
  }

  /**
   * Learns of all commits of other instances before this call; true if there are any. Waiting callers share one
   * request.
   *
   * @param expectNews true if a new commit is likely: head and log are then read at the same time
   */
  async catchUp(expectNews = false): Promise<boolean> {
    if (this.#loaded) return this.#refreshes.run(expectNews);
    // A load already under way may have begun before a commit that the caller must see.
    const joined = this.#loading !== undefined;
    await this.load();
    if (joined) await this.#refreshes.run();
    return true;
  }

  /** The head of a segment as of `head`. Call `sync()` first. */
  async segmentHead(segment: string): Promise<SegmentHead> {
    const cached = this.#segments.get(segment);
    if (cached !== undefined) return effectiveSegmentHead(cached, this.#head);
    const { revision } = this;
    const row = await this.store.get(this.partition, segmentHeadKey(segment));
    // A head that a commit cached in the meantime is newer than the row.
    const head = this.#segments.get(segment) ?? (row && decodeSegmentHead(row.value, segment));
    if (head !== undefined) {
      // Segments that are read again and again have a tail. A single read leaves the cached heads alone.
      if (this.revision === revision && this.tails.peek(segment) !== undefined) this.#segments.set(segment, head);
      return effectiveSegmentHead(head, this.#head);
    }
    await this.#checkNeverWritten(segment);
    return NEW_SEGMENT;
  }

  /**
   * The head of a segment as stored now. A reader that misses rows reads it before it reports DATA_LOSS: this or
   * another instance may have trimmed and removed the rows during the read.
   */
  async storedSegmentHead(segment: string): Promise<SegmentHead> {
    const [space, row] = await this.store.getMany(this.partition, [HEAD_KEY, segmentHeadKey(segment)]);
    const head = row === undefined ? NEW_SEGMENT : decodeSegmentHead(row.value, segment);
    return space === undefined ? head : effectiveSegmentHead(head, decodeSpaceHead(space.value, this.space));
  }

  /** First offset that may exist, as stored now; see `storedSegmentHead`. */
  async storedFirstOffset(): Promise<number> {
    const row = await this.store.get(this.partition, HEAD_KEY);
    const head = row === undefined ? NEW_SPACE : decodeSpaceHead(row.value, this.space);
    return Math.max(head.firstOffset, head.deletedOffset + 1);
  }

  /** First existing sequence of a trimmed segment until the reclaimer has removed its rows; 1 otherwise. */
  trimmedBefore(segment: string): number {
    return this.#trimmed.get(segment) ?? 1;
  }

  /** True while trimmed entries may still be in the space log. */
  get hasTrimmed(): boolean {
    return this.#trimmed.size > 0;
  }

  /** A copy of the trims whose rows may still be there; see `trimmedBefore`. */
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
    // Pages and rings read before still hold the entries, and from now on no mark says that they are trimmed.
    this.#forgetRemoved();
  }

  /** Takes over a commit of this instance. `version` is the version of the head row. */
  protected advance(draft: Draft, version: RowVersion): void {
    this.#lastCommit = performance.now();
    for (const [id, transaction] of draft.transactions) this.#recent.add(id, transaction);
    // G7: results that copied entries do not show in full must be looked up in storage.
    if (draft.copied) this.#forgetTransactions(draft.head);
    // A refresh has read the commit back already, perhaps with later ones.
    if (revisionOf(draft.head) <= this.revision) return;
    this.#head = draft.head;
    this.#headVersion = version;
    for (const [segment, head] of draft.segments) this.#segments.set(segment, head);
    for (const batch of draft.batches) this.tails.add(batch);
    for (const [segment, first] of draft.trims) {
      this.#trimmed.set(segment, first);
      this.#dropTail(segment);
    }
    if (draft.trims.size > 0) this.#forgetRemoved();
    this.hub.touch(() => draft.touched);
    this.hub.publish(draft.batches);
  }

  /** Frees the memory of trimmed entries. Reads would not return them. */
  #dropTail(segment: string): void {
    if (segment === WHOLE_SPACE) this.tails.clear();
    else this.tails.delete(segment);
  }

  /** Sends readers back to storage, which leaves out trimmed entries. */
  #forgetRemoved(): void {
    this.#removals++;
    this.hub.forget();
  }

  /** The heads of some segments, for one evaluation; `damaged` has an error for each head that cannot be read. */
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
          // A head is cached only if the state did not move on during the read.
          if (this.revision === revision) this.#segments.set(segment, head);
        } catch (error) {
          damaged.set(segment, asStreamkitError(error));
        }
      }),
    );
    return { heads, damaged };
  }

  /**
   * G11: a segment without a head has no blocks. With blocks, its head is lost, and appends would overwrite the blocks.
   */
  async #checkNeverWritten(segment: string): Promise<void> {
    const { gte } = segmentBlockRange(segment, 0, 0);
    const { lt } = segmentBlockRange(segment, 0, Number.MAX_SAFE_INTEGER - 100_000);
    for await (const page of this.store.scan(this.partition, { gte, lt, limit: 1 })) {
      // Another instance may have written the segment for the first time since the head was read.
      if (page.length === 0 || (await this.store.get(this.partition, segmentHeadKey(segment))) !== undefined) return;
      throw dataLoss(`segment "${segment}" of space "${this.space}" has entries but no head`);
    }
  }

  /** Loads the state unless it is loaded. Concurrent calls share one load. */
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
    // No commit of this space is later than its head says, so an old head means an empty window.
    this.#forgetTransactions(head);
    this.#loaded = true;
    if (trimmed.size > 0) this.#onUnfinished();
  }

  #forgetTransactions(head: SpaceHead): void {
    this.#recent.close();
    this.#recent = new RecentTransactions(head.lastTimeMicros);
  }

  /** Gives the memory of the caches back. For a state that is used no more. */
  protected release(): void {
    this.#segments.clear();
    this.#recent.close();
    this.tails.close();
  }

  /** G11: a space without a head has no entries, unless another instance is writing it for the first time. */
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

  /** Catches up with commits of other instances; false if there are none. */
  async #refresh(expectNews: boolean): Promise<boolean> {
    const before = this.#head;
    const existed = this.#headVersion !== null;
    const writing = this.unsettled || performance.now() - this.#lastCommit < WRITER_MILLIS;
    const caching = writing || this.hub.followers > 0;
    const early = expectNews && caching ? beginScan(this, before.lastOffset + 1) : undefined;
    const row = await this.store.get(this.partition, HEAD_KEY);
    const head = row === undefined ? NEW_SPACE : decodeSpaceHead(row.value, this.space);
    const same = (row?.version ?? null) === this.#headVersion;
    // A head disappears, and a space begins anew, only with its store.
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
    // No await from here to the end. An own commit may have moved the state on meanwhile.
    if (revisionOf(head) <= this.revision) return true;
    const { lastOffset } = this.#head;
    this.#head = head;
    this.#headVersion = row?.version ?? null;
    this.#trimmed = trimmed ?? this.#trimmed;
    if (change !== undefined) this.#apply(change);
    this.#absorb(missed, lastOffset, head, change?.removed);
    return true;
  }

  /** Updates caches and readers after changes besides appended entries. */
  #apply({ segments, heads, everything, removed }: ChangeNote): void {
    if (everything) {
      this.#segments.clear();
      this.tails.clear();
    }
    for (const segment of [...segments, ...heads]) this.#segments.delete(segment);
    if (removed) for (const segment of segments) this.tails.delete(segment);
    if (removed || everything) {
      this.#generation++;
      this.#forgetRemoved();
    }
    this.hub.touch(() => (everything ? undefined : segments));
  }

  /**
   * Updates caches and followers from offset `from` to a head. With `removed`, entries among `missed` may be gone by
   * now.
   */
  #absorb(missed: readonly EncodedBatch[] | undefined, from: number, head: SpaceHead, removed = false): void {
    const batches = missed?.filter((batch) => batch.firstOffset > from);
    const found = batches?.reduce((sum, batch) => sum + batch.count, 0);
    // Trimmed entries cannot be read any more: their transactions must be looked up in storage (G7).
    if (batches === undefined || found !== head.lastOffset - from) {
      this.#segments.clear();
      this.#forgetTransactions(head);
    } else {
      for (const batch of batches) this.#passOn(batch);
      for (const [id, transaction] of transactionsOf(batches)) this.#recent.add(id, transaction);
    }
    this.hub.touch(() => batches?.map((batch) => batch.segment));
    if (batches === undefined || removed) {
      // The rings would have a gap. A follower that reads storage now finds the remaining entries.
      this.hub.forget();
      this.hub.wake();
    } else {
      this.hub.publish(batches);
    }
  }

  /** Updates the cached head of a segment for a batch that another instance appended. */
  #passOn(batch: EncodedBatch): void {
    this.tails.add(batch);
    const cached = this.#segments.get(batch.segment);
    if (cached === undefined || cached.lastSequence >= batch.lastSequence) return;
    if (cached.lastSequence + 1 !== batch.firstSequence) this.#segments.delete(batch.segment);
    else this.#segments.set(batch.segment, headAfter(effectiveSegmentHead(cached, this.#head), batch));
  }
}

/** Passes on a ServerError. Any other error is a defect, and fails the whole group. */
export function asStreamkitError(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  throw error;
}
