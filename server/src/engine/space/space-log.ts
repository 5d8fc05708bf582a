import { setTimeout as delay } from "node:timers/promises";
import { ErrorReason } from "@streamkit/protocol";
import { ServerError, StoreDeletedError, storageUnavailable } from "../../errors.ts";
import type { PartitionStore, RowVersion } from "../../storage/port.ts";
import type { Clock } from "../clock.ts";
import { Contention } from "../commit/contention.ts";
import { Draft, sharedRows } from "../commit/draft.ts";
import { evaluate } from "../commit/evaluate.ts";
import { type EarlierAttempts, GroupCommit, type Mutation, type Outcome } from "../commit/group-commit.ts";
import type { TokenCeiling } from "../coordination/token-ceiling.ts";
import type { Subscription } from "../live/live-hub.ts";
import { Poller } from "../live/poller.ts";
import type { SegmentFilter, StatusSubscription } from "../live/status-feed.ts";
import { random64 } from "../random64.ts";
import type { RowCompression } from "../rows/row-frame.ts";
import { asStreamkitError, SpaceState } from "./space-state.ts";

export interface SpaceLogOptions {
  readonly store: PartitionStore;
  readonly space: string;
  /** True if other processes may write the store: a cached value may then be out of date. */
  readonly shared: boolean;
  readonly clock: Clock;
  /** How long a transaction id is remembered, in microseconds. */
  readonly dedupeWindowMicros: number;
  readonly compression: RowCompression;
  /** Decides which fencing tokens appends may carry. */
  readonly tokens: TokenCeiling;
  /** Called when a loaded log still has rows of trimmed entries to remove, because a reclaimer was interrupted. */
  readonly onUnfinished: (log: SpaceLog) => void;
  /** With `shared`: interval between polls of a followed space without news, in milliseconds. */
  readonly pollMillis: number;
  /** Called after each commit of this instance. */
  readonly onCommit: (log: SpaceLog) => void;
  /** Called when a subscription to the space begins. */
  readonly onFollow: () => void;
  /** Called when a poll finds that another instance has deleted the store. */
  readonly onDeleted: (error: StoreDeletedError) => void;
}

/** Bytes of changes that may wait for their commit, per space. Past this limit, appends are refused. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** Bytes that share a commit; more would only make every caller wait longer. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024;
/** A commit fails with its third unknown outcome. Pauses between the attempts are bounded. */
const MAX_UNKNOWN = 3;
const MAX_PAUSE_MILLIS = 2_000;
/** How long a commit retries after conflicts. */
const MAX_CONFLICT_MILLIS = 30_000;

/** State of a commit over its attempts. */
interface Attempts extends EarlierAttempts {
  outcomeUnknown: boolean;
  inDoubt: boolean;
  unknown: number;
}

/**
 * The log of one space: its committed state, and the only way to change it.
 *
 * While a commit is in flight, a draft lies on top of the state. After a conflict (another instance wrote), the log
 * reads the missed commits and evaluates again. A commit may use cached values because it is conditional on the version
 * of the head.
 */
export class SpaceLog extends SpaceState {
  readonly #options: SpaceLogOptions;
  readonly #commits: GroupCommit;
  readonly #contention = new Contention();
  readonly #poller: Poller;
  #readers = 0;

  constructor(options: SpaceLogOptions) {
    const { space, store, shared } = options;
    super(space, store, shared, () => options.onUnfinished(this));
    this.#options = options;
    this.#commits = new GroupCommit(
      // Half of the bytes, because small batches are stored twice.
      () => ({
        bytes: Math.min(MAX_GROUP_BYTES, store.limits.maxBatchBytes / 2),
        operations: (bytes) => store.limits.maxOperations - sharedRows(bytes),
      }),
      (members) =>
        this.#commitGroup(members).finally(() => {
          this.unsettled = false;
        }),
    );
    this.#poller = new Poller({ restMillis: options.pollMillis, look: (urgent) => this.#poll(urgent) });
  }

  get tokens(): TokenCeiling {
    return this.#options.tokens;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  /** True if no commit is in flight and nothing reads or follows: the log can be dropped from memory. */
  get idle(): boolean {
    return this.#commits.idle && this.#readers === 0;
  }

  /** Keeps the log in memory: a reader must see the trims that happen while it reads. */
  hold(): Disposable {
    this.#readers++;
    return { [Symbol.dispose]: () => this.#readers-- };
  }

  /**
   * Start of the dedupe window now, microseconds since 1970. Commit times bound it: an instance whose clock is ahead
   * must not forget transactions that other instances still remember.
   */
  get dedupeStart(): number {
    return this.dedupeStartAt(this.head.lastTimeMicros);
  }

  /** As `dedupeStart`, for a space whose last commit is of this time, in microseconds since 1970. */
  dedupeStartAt(lastTimeMicros: number): number {
    return Math.min(this.#options.clock(), lastTimeMicros) - this.#options.dedupeWindowMicros;
  }

  /**
   * Checks that there is room for more entries.
   *
   * @throws ServerError OVERLOADED when too many bytes wait for their commit; the error of the store when its disk is
   * full
   */
  assertRoom(): void {
    if (this.#commits.queuedBytes > MAX_QUEUED_BYTES) {
      const message = `space "${this.space}" has ${this.#commits.queuedBytes} bytes waiting for their commit; at most ${MAX_QUEUED_BYTES} may wait`;
      throw new ServerError(ErrorReason.OVERLOADED, message, { retryAfterMillis: 100 });
    }
    try {
      this.store.assertRoom?.();
    } catch (error) {
      // The first use of a space resumes its interrupted trim, which makes room.
      this.load().catch(() => undefined);
      throw error;
    }
  }

  /** Commits a change; resolves when it is durable. */
  submit<T>(mutation: Mutation<T>): Promise<T> {
    return this.#commits.submit(mutation);
  }

  /** Follows the space from the next commit on. */
  followSpace(): Subscription {
    return this.#followed(this.hub.subscribeToSpace());
  }

  /** Follows a segment from the next commit on. */
  followSegment(segment: string): Subscription {
    return this.#followed(this.hub.subscribeToSegment(segment));
  }

  /**
   * Another instance reports this revision of the space. Followers are complete without hints; a hint only saves time.
   */
  hint(revision: number): void {
    if (revision > this.revision) this.#poller.hint();
  }

  /** Stops background work. */
  close(): void {
    this.#poller.stop();
    this.release();
  }

  /** Watches states of segments from the next commit on. */
  followStatus(filter: SegmentFilter): StatusSubscription {
    return this.#followed(this.hub.subscribeToStatus(filter));
  }

  #followed<T>(subscription: T): T {
    // G2: on a shared store, polling alone makes followers complete; hints of a bus only make them faster.
    if (this.shared) {
      this.#poller.start();
      this.#options.onFollow();
    }
    return subscription;
  }

  async #poll(urgent: boolean): Promise<boolean> {
    if (this.hub.followers === 0) {
      this.#poller.stop();
      return false;
    }
    try {
      return await this.catchUp(urgent);
    } catch (error) {
      // Any other failure changes nothing: followers wait, the next poll tries again, appends report the failure.
      if (error instanceof StoreDeletedError) this.#options.onDeleted(error);
      throw error;
    }
  }

  override async catchUp(expectNews = false): Promise<boolean> {
    const found = await super.catchUp(expectNews);
    if (found) this.#contention.others();
    return found;
  }

  async #commitGroup(members: () => readonly Mutation<unknown>[]): Promise<readonly Outcome[]> {
    if (this.shared) await pause(this.#contention.pauseBeforeNext());
    const attempts: Attempts = { outcomeUnknown: false, inDoubt: false, unknown: 0 };
    const end = performance.now() + MAX_CONFLICT_MILLIS;
    /** Mutations of the group that arrived before the state was last read. */
    let synced = 0;
    for (let conflicts = 0; ; ) {
      await this.load();
      const { revision, headVersion } = this;
      // Mutations that arrived during an attempt join the next one.
      const mutations = members();
      const evaluated = await this.#evaluate(mutations, attempts);
      if (evaluated === undefined) continue;
      const { draft, outcomes } = evaluated;
      // G7: an apparent refusal may be the repetition of a committed transaction.
      if (!attempts.inDoubt && mutations.some(({ unread }, index) => unread && "error" in outcomes[index])) {
        attempts.inDoubt = true;
        continue;
      }
      if (!draft.dirty) {
        // G5, G6: a commit proves the state that it was evaluated on. Without a commit, the state must have been read
        // after every mutation arrived.
        if (!this.shared || synced === mutations.length) return outcomes;
        synced = mutations.length;
        await this.catchUp();
        if (this.revision === revision) return outcomes;
        continue;
      }
      const start = performance.now();
      if (await this.#write(draft, headVersion, attempts)) return outcomes;
      if (performance.now() > end) {
        throw storageUnavailable(
          `gave up after ${MAX_CONFLICT_MILLIS / 1_000} s of write conflicts on space "${this.space}"`,
          undefined,
          100,
        );
      }
      await pause(this.#contention.conflicted(performance.now() - start, ++conflicts));
      synced = mutations.length;
      await this.catchUp(true);
      // The conflict may come from a row that was to be new instead of another commit. That row would stall the whole
      // group.
      if (this.revision === revision || conflicts > 1) attempts.inDoubt = true;
    }
  }

  /** Evaluates a group on the current state; undefined if the state moved on meanwhile. */
  async #evaluate(mutations: readonly Mutation<unknown>[], before: EarlierAttempts) {
    const { revision } = this;
    const { heads, damaged } = await this.segmentHeads(mutations.flatMap((mutation) => mutation.segments));
    // A mutation that cannot be read must not fail its neighbours.
    const failures = await Promise.all(
      mutations.map(async (mutation) => {
        const unreadable = mutation.segments.find((segment) => damaged.has(segment));
        if (unreadable !== undefined) return damaged.get(unreadable);
        return mutation.prepare?.(before).then(() => undefined, asStreamkitError);
      }),
    );
    if (this.revision !== revision) return undefined;
    const commitId = this.shared ? random64() : 0n;
    const draft = new Draft(this.space, this.head, heads, this.store.limits, this.#options.compression, commitId);
    return { draft, outcomes: evaluate(mutations, draft, failures) };
  }

  /** Writes the draft; false if it must be evaluated again. */
  async #write(draft: Draft, headVersion: RowVersion | null, attempts: Attempts): Promise<boolean> {
    const start = performance.now();
    try {
      const result = await this.store.commit(this.partition, draft.toCommit(headVersion));
      if (!result.committed) return false;
      this.advance(draft, result.versions[0]);
      if (this.shared) this.#contention.committed(performance.now() - start);
      this.#options.onCommit(this);
      return true;
    } catch (error) {
      // The outcome is unknown. On a shared store, the log tells whether our transactions are committed. If the batch
      // lands late, its condition on the head refuses it. A local store stops after a failed write.
      if (!this.shared || !(error instanceof ServerError) || error instanceof StoreDeletedError) throw error;
      attempts.outcomeUnknown = true;
      this.unsettled = true;
      if (++attempts.unknown >= MAX_UNKNOWN) throw error;
      // Storage that throttles says how long to pause.
      await pause(Math.min(MAX_PAUSE_MILLIS, error.facts.retryAfterMillis ?? 0));
      return false;
    }
  }
}

async function pause(millis: number): Promise<void> {
  if (millis >= 1) await delay(millis);
}
