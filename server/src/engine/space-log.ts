import { setTimeout as delay } from "node:timers/promises";
import { ErrorReason } from "@streamkit/protocol";
import { LRUCache } from "lru-cache";
import { dataLoss, StreamkitError, storageUnavailable } from "../errors.ts";
import type { PartitionStore, RowVersion } from "../storage/port.ts";
import type { AppendTransaction } from "./append.ts";
import { AppendMutation, type AppendResult } from "./append-mutation.ts";
import type { EncodedBatch } from "./batch.ts";
import type { Clock } from "./clock.ts";
import { Draft, effectiveSegmentHead } from "./draft.ts";
import { GroupCommit, type Mutation, type Outcome, type ProduceSession } from "./group-commit.ts";
import {
  HEAD_KEY,
  RECLAIM_RANGE,
  segmentBlockRange,
  segmentHeadKey,
  segmentOfReclaimKey,
  spaceBlockRange,
  spacePartition,
} from "./key-space.ts";
import { LiveHub, type Subscription } from "./live-hub.ts";
import { readSpace } from "./read-space.ts";
import { RecentTransactions } from "./recent-transactions.ts";
import type { RowCompression } from "./row-frame.ts";
import {
  decodeSegmentHead,
  decodeSpaceHead,
  NEW_SEGMENT,
  NEW_SPACE,
  type SegmentHead,
  type SpaceHead,
} from "./rows.ts";

export interface SpaceLogOptions {
  readonly store: PartitionStore;
  readonly space: string;
  /** Other processes may write the store: nothing cached may be taken for the latest. */
  readonly shared: boolean;
  readonly clock: Clock;
  /** How long a transaction id is remembered, in microseconds. */
  readonly dedupeWindow: number;
  readonly compression: RowCompression;
  /** Called when a log is loaded that has rows of trimmed entries to remove: a reclaimer was interrupted. */
  readonly onUnfinished: (log: SpaceLog) => void;
  /** With `shared`: how often a followed space is looked at, in milliseconds. */
  readonly pollMillis: number;
}

/** Segment heads kept in memory per space; others are read when they are needed. */
const CACHED_SEGMENTS = 65_536;
/** Work that may wait for its commit, per space, before appends are refused. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** Bytes that share a commit; more would only make everyone wait longer. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024;
/** Attempts at one commit under conflicts before giving up. */
const MAX_ATTEMPTS = 50;
/** After a conflict, up to this many missed entries are read for the live hub; beyond, followers go back to storage. */
const MAX_MISSED_ENTRIES = 4_096;

/**
 * The log of one space: its committed state, and the only way to change it.
 *
 * States: cold (nothing loaded), ready (head known at a version), and, while a commit is in flight, ready with a draft on
 * top. A conflict (another instance wrote) leads back to ready by reading what was missed. Caches are valid at the
 * head's version, and used only in commits that are conditional on it.
 */
export class SpaceLog {
  readonly space: string;
  readonly partition: string;
  readonly store: PartitionStore;
  readonly hub = new LiveHub();
  readonly shared: boolean;
  readonly #options: SpaceLogOptions;
  readonly #commits: GroupCommit;
  // Bounded by size, because a bound by count reserves its memory at once: per space, 5 ms and 2 MB.
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
  #readers = 0;
  #removals = 0;
  #pollTimer: NodeJS.Timeout | undefined;

  constructor(options: SpaceLogOptions) {
    this.#options = options;
    this.space = options.space;
    this.partition = spacePartition(options.space);
    this.store = options.store;
    this.shared = options.shared;
    this.#commits = new GroupCommit(
      // Half of the bytes, because small batches are stored twice; one operation is the head.
      () => ({
        bytes: Math.min(MAX_GROUP_BYTES, options.store.limits.maxBatchBytes / 2),
        operations: options.store.limits.maxOperations - 1,
      }),
      (mutations) => this.#alone(() => this.#commitGroup(mutations)),
    );
  }

  /** The committed state. Call `sync()` first. */
  get head(): SpaceHead {
    return this.#head;
  }

  /** First offset that may exist. */
  get firstOffset(): number {
    return Math.max(this.#head.firstOffset, this.#head.deletedOffset + 1);
  }

  get clock(): Clock {
    return this.#options.clock;
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

  /** True when nothing is in flight and nobody reads or follows: the log can be dropped from memory. */
  get idle(): boolean {
    return this.#commits.idle && this.#readers === 0;
  }

  /** Keeps the log in memory: a reader must see the trims that happen while it reads. */
  hold(): Disposable {
    this.#readers++;
    return { [Symbol.dispose]: () => this.#readers-- };
  }

  /** Start of the dedupe window now, microseconds since 1970. */
  get dedupeStart(): number {
    return this.#options.clock() - this.#options.dedupeWindow;
  }

  /**
   * Makes `head` the latest committed state (G5): from memory when this process alone writes the store, by reading the
   * head row when others may.
   */
  async sync(): Promise<SpaceHead> {
    if (!this.#loaded) await this.#load();
    else if (this.shared) await this.#alone(() => this.#refresh());
    return this.#head;
  }

  /** Appends one transaction; resolves when it is durable. */
  append(transaction: AppendTransaction, session?: ProduceSession): Promise<AppendResult> {
    if (this.#commits.queuedBytes > MAX_QUEUED_BYTES) {
      const message = `space "${this.space}" has too much work queued`;
      return Promise.reject(new StreamkitError(ErrorReason.OVERLOADED, message, { retryAfterMillis: 100 }));
    }
    return this.#commits.submit(new AppendMutation(this, transaction, session));
  }

  /** Commits any other change. */
  submit<T>(mutation: Mutation<T>): Promise<T> {
    return this.#commits.submit(mutation);
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

  /** Follows the space from the next commit on. */
  followSpace(): Subscription {
    return this.#followed(this.hub.subscribeToSpace());
  }

  /** Follows a segment from the next commit on. */
  followSegment(segment: string): Subscription {
    return this.#followed(this.hub.subscribeToSegment(segment));
  }

  /** Stops background work. */
  close(): void {
    clearInterval(this.#pollTimer);
    this.#pollTimer = undefined;
  }

  #followed(subscription: Subscription): Subscription {
    // G2: where other instances write, polling alone makes followers complete; bus hints only make them faster.
    if (this.shared && this.#pollTimer === undefined) {
      this.#pollTimer = setInterval(() => {
        if (this.hub.followers === 0) return this.close();
        // A failed poll changes nothing: followers wait, the next poll tries again, appends report the failure.
        this.sync().catch(() => undefined);
      }, this.#options.pollMillis);
      this.#pollTimer.unref();
    }
    return subscription;
  }

  async #commitGroup(mutations: readonly Mutation<unknown>[]): Promise<readonly Outcome[]> {
    const state = { outcomeUnknown: false };
    for (let attempt = 1; ; attempt++) {
      if (!this.#loaded) await this.#load();
      const { heads, damaged } = await this.#segmentHeads(mutations);
      // What one mutation cannot read is no reason to refuse its neighbours.
      const failures = await Promise.all(
        mutations.map(async (mutation) => {
          const unreadable = mutation.segments.find((segment) => damaged.has(segment));
          if (unreadable !== undefined) return damaged.get(unreadable);
          return mutation.prepare?.(state.outcomeUnknown).then(() => undefined, asStreamkitError);
        }),
      );
      const draft = new Draft(this.space, this.#head, heads, this.store.limits, this.#options.compression);
      const outcomes = evaluate(mutations, draft, failures);
      if (!draft.dirty) {
        // G5, G6: a commit proves the state that it was evaluated on; without one, others may have moved on unseen.
        if (!this.shared || !(await this.#refresh())) return outcomes;
        continue;
      }
      const committed = await this.#write(draft, attempt, state);
      if (committed) return outcomes;
      if (attempt >= MAX_ATTEMPTS) {
        throw storageUnavailable(`space "${this.space}": ${attempt} commits in a row met conflicts`, undefined, 100);
      }
      // Jitter gives every instance its turn.
      await delay(Math.random() * Math.min(100, 2 ** attempt));
      await this.#refresh();
    }
  }

  /** Writes the draft; false when it has to be evaluated again. */
  async #write(draft: Draft, attempt: number, state: { outcomeUnknown: boolean }): Promise<boolean> {
    try {
      const result = await this.store.commit(this.partition, draft.toCommit(this.#headVersion));
      if (!result.committed) return false;
      this.#advance(draft, result.versions[0]);
      return true;
    } catch (error) {
      // The outcome is unknown. On a shared store, reading the log tells: our transactions are in it or not, and if they
      // land late, the condition on the head refuses them. A local store stops after a failed write.
      if (!this.shared || attempt >= 3) throw error;
      state.outcomeUnknown = true;
      return false;
    }
  }

  #advance(draft: Draft, version: RowVersion): void {
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

  /** The heads that a group looks at; those that cannot be read are in `damaged`, with the reason. */
  async #segmentHeads(mutations: readonly Mutation<unknown>[]) {
    const heads = new Map<string, SegmentHead>();
    const damaged = new Map<string, StreamkitError>();
    const missing: string[] = [];
    for (const { segments } of mutations) {
      for (const segment of segments) {
        if (heads.has(segment)) continue;
        const cached = this.#segments.get(segment);
        heads.set(segment, cached ?? NEW_SEGMENT);
        if (cached === undefined) missing.push(segment);
      }
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

  #load(): Promise<void> {
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
    if (trimmed.size > 0) this.#options.onUnfinished(this);
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
  async #refresh(): Promise<boolean> {
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
  #alone<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(action, action);
    this.#exclusive = result.catch(() => undefined);
    return result;
  }
}

/** Passes on what is ours; anything else is a defect, and fails the whole group. */
function asStreamkitError(error: unknown): StreamkitError {
  if (error instanceof StreamkitError) return error;
  throw error;
}

/**
 * Evaluates a group in order of arrival; what is refused leaves the draft as it was.
 *
 * @param failures what kept a mutation from being prepared, by index
 */
function evaluate(
  mutations: readonly Mutation<unknown>[],
  draft: Draft,
  failures: readonly (StreamkitError | undefined)[],
): Outcome[] {
  const failed = new Set<ProduceSession>();
  return mutations.map((mutation, index) => {
    const { session } = mutation;
    if (session !== undefined && (session.failed || failed.has(session))) {
      const message = "an earlier request of this Produce session failed; this one was not applied";
      return { error: new StreamkitError(ErrorReason.SESSION_ABORTED, message) };
    }
    const failure = failures[index];
    if (failure !== undefined) {
      if (session !== undefined) failed.add(session);
      return { error: failure };
    }
    try {
      return { value: mutation.apply(draft) };
    } catch (error) {
      if (!(error instanceof StreamkitError)) throw error;
      if (session !== undefined) failed.add(session);
      return { error };
    }
  });
}

/** Reconstructs results from the log: all batches of a transaction, in offset order. */
function transactionsOf(batches: readonly EncodedBatch[]): [string, AppendResult][] {
  return [...Map.groupBy(batches, (batch) => batch.transactionId)].map(([id, group]) => [
    id,
    {
      id,
      number: group[0].transactionNumber,
      commitTime: group[0].commitTime,
      ranges: group.map(({ segment, firstSequence, lastSequence, firstOffset }) => ({
        segment,
        firstSequence,
        lastSequence,
        firstOffset,
      })),
      deduplicated: false,
    },
  ]);
}
