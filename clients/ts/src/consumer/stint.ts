import type { Cursor, Cursors } from "../cursor/cursors.ts";
import { StreamkitError } from "../errors/error.ts";
import type { Entry } from "../read/entry.ts";
import type { StoreHandle } from "../store.ts";
import { defaultDecision, handleWithRetries } from "./failure.ts";
import { Lanes } from "./lanes.ts";
import { limitLastCalls } from "./last-calls.ts";
import type { ConsumerOptions, HandlerFailure } from "./options.ts";
import { park } from "./parking.ts";
import { Progress } from "./progress.ts";
import { timerMillis } from "./timer.ts";

/** What a consumer counts, over all its stints. */
export interface ConsumerCounts {
  /** Entries that were handled. */
  handled: number;
  /** Calls of the handler that failed. */
  failures: number;
  /** Entries that were skipped, and those put aside. */
  skipped: number;
  parked: number;
  /** Commits of the cursor. */
  commits: number;
}

/** What a stint works with. */
export interface StintContext<Out, In> {
  /** With a lease: writes under it. */
  readonly store: StoreHandle<Out, In>;
  readonly fencingToken: bigint | undefined;
  readonly cursors: Cursors;
  readonly options: ConsumerOptions<Out, In>;
  readonly counts: ConsumerCounts;
  /** Fires when nothing may be done any more: the lease is lost. */
  readonly lost: AbortSignal;
  /** Fires when no more shall be begun. */
  readonly stopping: AbortSignal;
  /** Fires after `stopping`, when handlers have had their time: what they have done is still to be committed. */
  readonly aborting: AbortSignal;
}

/** An entry that waits to be handled. */
interface Queued<Out> {
  readonly entry: Entry<Out>;
  /** To be called when it is handled. */
  readonly done: () => void;
}

/** Attempts to take a cursor over from somebody who commits it at the same time, before that counts as a conflict. */
const TAKEOVERS = 10;

/**
 * One stint of a consumer: takes the cursor over, reads from it, handles, commits, until it is told to stop.
 *
 * Taking over commits the cursor as it is: its version rises, so whoever had it before cannot commit any more (CURSOR_CONFLICT),
 * however late it wakes up.
 */
export class Stint<Out, In> {
  private readonly context: StintContext<Out, In>;
  private readonly progress = new Map<string, Progress>();
  private readonly failed = new AbortController();
  /** Fires when no more shall be begun, for whatever reason. */
  private readonly ending: AbortSignal;
  /** Of the calls of handlers that run. */
  private readonly calls = new Set<AbortController>();
  /** Fires when even the last commit took too long. */
  private readonly overdue = new AbortController();
  /** Ends commits. */
  private readonly uncommitted: AbortSignal;
  private readonly lanes: Lanes<Queued<Out>>;
  private version = 0;
  private committed = new Map<string, number>();
  /** By how many offsets the positions are beyond what is committed, or is being committed. */
  private uncommittedCount = 0;
  private wakeCommitter = () => {};

  constructor(context: StintContext<Out, In>) {
    this.context = context;
    this.ending = AbortSignal.any([context.lost, context.stopping, this.failed.signal]);
    this.uncommitted = AbortSignal.any([context.lost, this.overdue.signal]);
    const { concurrency = 8, batchHandler, maxBatch = 100 } = context.options;
    this.lanes = new Lanes({
      concurrency,
      most: batchHandler === undefined ? 1 : Math.max(1, maxBatch),
      handle: (queued) => this.handleQueued(queued),
      onError: (error) => this.failed.abort(asError(error)),
    });
  }

  /** Space -> offset of the last entry up to which everything was handled. `undefined` before the cursor is taken over. */
  get offsets(): Map<string, number> | undefined {
    if (this.progress.size === 0) return undefined;
    return new Map([...this.progress].map(([space, { position }]) => [space, position]));
  }

  /** True when somebody else may have the cursor by now, though handlers may still run here. */
  get isLost(): boolean {
    return this.context.lost.aborted;
  }

  /** Resolves when it was told to stop, and everything that was begun is handled and committed. */
  async run(): Promise<void> {
    const { ending } = this;
    await this.takeOver(AbortSignal.any([this.context.lost, this.context.stopping]));
    this.abortCalls();
    const committing = this.keepCommitting();
    try {
      await this.read(ending);
    } catch (error) {
      // What ends the reading on purpose is told below.
      if (!ending.aborted) this.failed.abort(asError(error));
    }
    await this.lanes.stop();
    const unlimited = limitLastCalls(this.context.aborting, this.overdue);
    try {
      await committing;
      await this.finish();
    } finally {
      unlimited();
    }
  }

  private async finish(): Promise<void> {
    this.context.lost.throwIfAborted();
    // What was handled stays handled, also when something else failed, or the grace is over.
    if (!this.failed.signal.aborted) return this.commit();
    await this.commit().catch(() => {});
    throw this.failed.signal.reason;
  }

  /** Whoever has the cursor now may commit it between the look at it and the takeover: then once more. */
  private async takeOver(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.takeOverOnce(signal);
      } catch (error) {
        const isOvertaken = error instanceof StreamkitError && error.reason === "CURSOR_CONFLICT";
        if (!isOvertaken || attempt === TAKEOVERS) throw error;
      }
    }
  }

  private async takeOverOnce(signal: AbortSignal): Promise<void> {
    const { cursors, options } = this.context;
    const found = await cursors.get(options.name, { signal });
    const offsets = new Map<string, number>();
    for (const space of options.spaces)
      offsets.set(space, found?.offsets.get(space) ?? (await this.beginning(space, signal)));
    const taken = await cursors.commit(options.name, offsets, { expectedVersion: found?.version ?? 0, signal });
    this.note(taken, offsets);
    for (const [space, offset] of offsets) this.progress.set(space, new Progress(offset));
  }

  private async beginning(space: string, signal: AbortSignal): Promise<number> {
    const { store, options } = this.context;
    if (options.from !== "head") return 0;
    return (await store.space(space).status({ signal })).lastOffset;
  }

  private async read(signal: AbortSignal): Promise<void> {
    const { store, options } = this.context;
    const spaces = new Map([...this.progress].map(([space, { position }]) => [space, position + 1]));
    const most = Math.max(1, options.maxQueued ?? 1_000);
    for await (const page of store.follow({ spaces, signal }).pages()) {
      for (const batch of page.batches) {
        // Nothing else is followed.
        const progress = this.progress.get(batch.space)!;
        const lane = `${batch.space}\n${batch.segment}`;
        for (const entry of batch) {
          if (this.lanes.size >= most) await this.lanes.fewerThan(most);
          if (signal.aborted) return;
          this.lanes.add(lane, { entry, done: this.beginOf(entry.offset, progress) });
        }
      }
      for (const [space, next] of page.next) this.progress.get(space)?.reached(next);
    }
  }

  private async handleQueued(queued: readonly Queued<Out>[]): Promise<void> {
    // What is not handled now comes at the next start, and all that is behind it: in order.
    if (this.ending.aborted || !(await this.handleUnderSignal(queued.map(({ entry }) => entry)))) return;
    for (const { done } of queued) done();
    if (this.hasEnoughToCommit) this.wakeCommitter();
  }

  /** Takes note of an entry that arrived; returns what to call when it is handled. */
  private beginOf(offset: number, progress: Progress): () => void {
    const end = progress.begin(offset);
    return () => {
      const before = progress.position;
      end();
      this.uncommittedCount += progress.position - before;
    };
  }

  private get hasEnoughToCommit(): boolean {
    return this.uncommittedCount >= (this.context.options.commitCount ?? 1_000);
  }

  /** When nothing may be done any more, the calls that run are told. */
  private abortCalls(): void {
    const aborting = AbortSignal.any([this.context.lost, this.context.aborting, this.failed.signal]);
    aborting.addEventListener("abort", () => {
      for (const call of this.calls) call.abort(aborting.reason);
    });
  }

  /**
   * Each call has a signal of its own: what a handler hangs on it and leaves there goes with it. It is not derived from others by
   * `AbortSignal.any`, of which Node 22 keeps something for as long as the others live.
   */
  private async handleUnderSignal(entries: readonly Entry<Out>[]): Promise<boolean> {
    const call = new AbortController();
    this.calls.add(call);
    try {
      return await this.handle(entries, call.signal);
    } finally {
      this.calls.delete(call);
    }
  }

  /** Resolves to false when they are left for the next start. */
  private async handle(entries: readonly Entry<Out>[], signal: AbortSignal): Promise<boolean> {
    const { ending } = this;
    const { options, store, fencingToken, counts } = this.context;
    const { handler, batchHandler, onFailure = defaultDecision } = options;
    let rest = entries;
    const call = (attempt: number) => {
      const context = { signal, attempt, store, fencingToken };
      return batchHandler === undefined ? handler?.(rest[0], context) : batchHandler(rest, context);
    };
    const decide = (failure: HandlerFailure<Out>) => {
      counts.failures++;
      return onFailure(failure);
    };
    while (rest.length > 0) {
      const outcome = await handleWithRetries(rest, call, decide, { signal, ending });
      if (outcome.as === "left") return false;
      if (outcome.as === "handled") {
        counts.handled += rest.length;
        return true;
      }
      const { entries: given, error } = outcome;
      if (outcome.as === "park") await park(store as StoreHandle<unknown, unknown>, options, given, error, signal);
      counts[outcome.as === "park" ? "parked" : "skipped"] += given.length;
      // The others were not at fault.
      rest = rest.filter((entry) => !given.includes(entry));
    }
    return true;
  }

  private async keepCommitting(): Promise<void> {
    const { ending } = this;
    ending.addEventListener("abort", () => this.wakeCommitter());
    while (!ending.aborted) {
      await this.commitIsDue();
      if (ending.aborted) return;
      await this.commit().catch((error) => this.failed.abort(asError(error)));
    }
  }

  private async commitIsDue(): Promise<void> {
    // Nobody is woken while a commit is under way.
    if (this.hasEnoughToCommit) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.wakeCommitter = resolve;
      timer = setTimeout(resolve, timerMillis(this.context.options.commitInterval ?? 1_000));
    });
    clearTimeout(timer);
  }

  private async commit(): Promise<void> {
    const { cursors, options, counts } = this.context;
    const changed = new Map(
      [...(this.offsets ?? [])].filter(([space, offset]) => this.committed.get(space) !== offset),
    );
    const counted = this.uncommittedCount;
    if (changed.size > 0) {
      const expectedVersion = this.version;
      this.note(await cursors.commit(options.name, changed, { expectedVersion, signal: this.uncommitted }), changed);
    }
    this.uncommittedCount -= counted;
    if (changed.size === 0) return;
    counts.commits++;
    options.onCommit?.(new Map(this.committed));
  }

  private note({ version }: Cursor, offsets: ReadonlyMap<string, number>): void {
    this.version = version;
    for (const [space, offset] of offsets) this.committed.set(space, offset);
  }
}

/** AbortControllers take anything as a reason; whoever throws it later wants an error. */
function asError(error: unknown): unknown {
  return error ?? new StreamkitError("UNKNOWN", "unknown", "the handler threw nothing");
}
