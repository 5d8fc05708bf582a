import { setTimeout as delay } from "node:timers/promises";
import { ErrorReason } from "@streamkit/protocol";
import { StreamkitError, storageUnavailable } from "../errors.ts";
import type { PartitionStore } from "../storage/port.ts";
import type { AppendTransaction } from "./append.ts";
import { AppendMutation, type AppendResult } from "./append-mutation.ts";
import type { Clock } from "./clock.ts";
import { Draft } from "./draft.ts";
import { evaluate } from "./evaluate.ts";
import { GroupCommit, type Mutation, type Outcome, type ProduceSession } from "./group-commit.ts";
import type { Subscription } from "./live-hub.ts";
import type { RowCompression } from "./row-frame.ts";
import { asStreamkitError, SpaceState } from "./space-state.ts";

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

/** Work that may wait for its commit, per space, before appends are refused. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** Bytes that share a commit; more would only make everyone wait longer. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024;
/** Attempts at one commit whose outcome stays unknown, and the longest pause between them. */
const MAX_UNKNOWN = 3;
const MAX_PAUSE_MILLIS = 2_000;
/** Attempts at one commit under conflicts before giving up. */
const MAX_ATTEMPTS = 50;

/**
 * The log of one space: its committed state, and the only way to change it.
 *
 * While a commit is in flight there is a draft on top of the state. A conflict (another instance wrote) leads back to the
 * state by reading what was missed. What is cached is used only in commits that are conditional on the head's version.
 */
export class SpaceLog extends SpaceState {
  readonly #options: SpaceLogOptions;
  readonly #commits: GroupCommit;
  #readers = 0;
  #pollTimer: NodeJS.Timeout | undefined;

  constructor(options: SpaceLogOptions) {
    const { space, store, shared } = options;
    super(space, store, shared, () => options.onUnfinished(this));
    this.#options = options;
    this.#commits = new GroupCommit(
      // Half of the bytes, because small batches are stored twice; one operation is the head.
      () => ({
        bytes: Math.min(MAX_GROUP_BYTES, store.limits.maxBatchBytes / 2),
        operations: store.limits.maxOperations - 1,
      }),
      (mutations) => this.alone(() => this.#commitGroup(mutations)),
    );
  }

  get clock(): Clock {
    return this.#options.clock;
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
      await this.load();
      const { heads, damaged } = await this.segmentHeads(mutations.flatMap((mutation) => mutation.segments));
      // What one mutation cannot read is no reason to refuse its neighbours.
      const failures = await Promise.all(
        mutations.map(async (mutation) => {
          const unreadable = mutation.segments.find((segment) => damaged.has(segment));
          if (unreadable !== undefined) return damaged.get(unreadable);
          return mutation.prepare?.(state.outcomeUnknown).then(() => undefined, asStreamkitError);
        }),
      );
      const draft = new Draft(this.space, this.head, heads, this.store.limits, this.#options.compression);
      const outcomes = evaluate(mutations, draft, failures);
      if (!draft.dirty) {
        // G5, G6: a commit proves the state that it was evaluated on; without one, others may have moved on unseen.
        if (!this.shared || !(await this.refresh())) return outcomes;
        continue;
      }
      const committed = await this.#write(draft, attempt, state);
      if (committed) return outcomes;
      if (attempt >= MAX_ATTEMPTS) {
        throw storageUnavailable(`space "${this.space}": ${attempt} commits in a row met conflicts`, undefined, 100);
      }
      // Jitter gives every instance its turn.
      await delay(Math.random() * Math.min(100, 2 ** attempt));
      await this.refresh();
    }
  }

  /** Writes the draft; false when it has to be evaluated again. */
  async #write(draft: Draft, attempt: number, state: { outcomeUnknown: boolean }): Promise<boolean> {
    try {
      const result = await this.store.commit(this.partition, draft.toCommit(this.headVersion));
      if (!result.committed) return false;
      this.advance(draft, result.versions[0]);
      return true;
    } catch (error) {
      // The outcome is unknown. On a shared store, reading the log tells: our transactions are in it or not, and if they
      // land late, the condition on the head refuses them. A local store stops after a failed write.
      if (!this.shared || attempt >= MAX_UNKNOWN || !(error instanceof StreamkitError)) throw error;
      state.outcomeUnknown = true;
      // A storage that is throttled says how long it wants to be left alone.
      await delay(Math.min(MAX_PAUSE_MILLIS, error.facts.retryAfterMillis ?? 0));
      return false;
    }
  }
}
