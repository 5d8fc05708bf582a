import type { Cursors } from "../cursor/cursors.ts";
import { StreamkitError } from "../errors/error.ts";
import type { SpaceOffsets } from "../position.ts";
import type { Entry } from "../read/entry.ts";
import type { ReadState } from "../state.ts";
import type { ConsumedStore } from "./consumed-store.ts";
import { CursorKeeper } from "./cursor-keeper.ts";
import { defaultDecision, handleWithRetries } from "./failure.ts";
import { Lanes } from "./lanes.ts";
import type { ConsumerOptions, HandlerFailure } from "./options.ts";
import { park } from "./parking.ts";
import { type Endings, Phases } from "./phases.ts";

/** Counts of a consumer over all its stints. */
export interface ConsumerCounts {
  /** Handled entries. */
  handled: number;
  /** Failed calls of the handler. */
  failures: number;
  /** Skipped entries. */
  skipped: number;
  /** Parked entries. */
  parked: number;
  /** Commits of the cursor. */
  commits: number;
}

/** The parts and options of a stint. */
export interface StintContext<Out, Store extends ConsumedStore<Out>> extends Endings {
  /** With `exclusive`, a handle that writes under the lease. */
  readonly store: Store;
  readonly fencingToken: bigint | undefined;
  readonly cursors: Cursors;
  readonly options: ConsumerOptions<Out, Store>;
  readonly counts: ConsumerCounts;
  /** Called with each new state of the read. */
  readonly onStateChange: (state: Exclude<ReadState<SpaceOffsets>, { name: "ended" }>) => void;
}

/** An entry that waits for a handler. */
interface Queued<Out> {
  readonly entry: Entry<Out>;
  /** Call it when the entry is handled. */
  readonly done: () => void;
}

/** One stint of a consumer: takes the cursor over, reads, handles entries and commits, until one of its endings. */
export class Stint<Out, Store extends ConsumedStore<Out>> {
  readonly #context: StintContext<Out, Store>;
  readonly #phases: Phases;
  readonly #cursor: CursorKeeper;
  readonly #lanes: Lanes<Queued<Out>>;

  constructor(context: StintContext<Out, Store>) {
    const { store, cursors, options, counts } = context;
    this.#context = context;
    this.#phases = new Phases(context);
    this.#cursor = new CursorKeeper({
      cursors,
      options,
      headOf: async (space, signal) => (await store.space(space).status({ signal })).lastOffset,
      onCommit(offsets) {
        counts.commits++;
        options.onCommit?.(offsets);
      },
      signal: this.#phases.committing,
    });
    const { concurrency = 8, batchHandler, maxBatch = 100 } = options;
    this.#lanes = new Lanes({
      concurrency,
      most: batchHandler === undefined ? 1 : maxBatch,
      handle: (queued) => this.#handleQueued(queued),
      onError: (error) => this.#phases.fail(error),
    });
  }

  /**
   * Space -> offset of the last entry up to which all entries are handled. `undefined` before the takeover of the
   * cursor.
   */
  get offsets(): SpaceOffsets | undefined {
    return this.#cursor.offsets;
  }

  /** True if another process may own the cursor by now, although handlers may still run here. */
  get isLost(): boolean {
    return this.#phases.isLost;
  }

  /** Runs until an ending, and resolves when all handlers have finished and their progress is committed. */
  async run(): Promise<void> {
    const phases = this.#phases;
    await this.#cursor.takeOver(phases.takingOver);
    const committing = this.#cursor.keepCommitting(phases.ending).catch((error) => phases.fail(error));
    try {
      await this.#read(phases.ending);
    } catch (error) {
      // An intended end of the read is no failure of its own; `#finish` reports its reason.
      if (!phases.ending.aborted) phases.fail(error);
    }
    await this.#lanes.stop();
    const unlimited = phases.limitCommits();
    try {
      await committing;
      await this.#finish();
    } finally {
      unlimited();
    }
  }

  /** Commits the handled entries, also after a failure or the end of the grace. */
  async #finish(): Promise<void> {
    this.#phases.throwIfLost();
    if (!this.#phases.hasFailed) return this.#cursor.commit();
    // The caller gets the failure, not an error of this commit.
    await this.#cursor.commit().catch(() => {});
    this.#phases.throwIfFailed();
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { store, options } = this.#context;
    const spaces = new Map([...(this.offsets ?? [])].map(([space, offset]) => [space, offset + 1]));
    const { maxQueued = 1_000 } = options;
    const onStateChange = (state: ReadState<SpaceOffsets>) => this.#tell(state);
    for await (const page of store.follow({ spaces, signal, onStateChange }).pages()) {
      for (const batch of page.batches) {
        const lane = `${batch.space}\n${batch.segment}`;
        for (const entry of batch) {
          if (this.#lanes.size >= maxQueued) await this.#lanes.fewerThan(maxQueued);
          if (signal.aborted) return;
          this.#lanes.add(lane, { entry, done: this.#cursor.begin(entry.space, entry.offset) });
        }
      }
      this.#cursor.reached(page.next);
    }
  }

  /** Reports a state of the read, except its end, which is not the end of the stint. */
  #tell(state: ReadState<SpaceOffsets>): void {
    const { options, onStateChange } = this.#context;
    if (state.name === "ended") return;
    onStateChange(state);
    if (state.name === "beyondHead" && options.beyondHead !== "wait")
      this.#phases.fail(beyondHead(options.name, state));
  }

  async #handleQueued(queued: readonly Queued<Out>[]): Promise<void> {
    // The next start delivers these entries and all entries behind them again, in order.
    if (this.#phases.ending.aborted) return;
    const entries = queued.map(({ entry }) => entry);
    if (!(await this.#phases.duringCall((signal) => this.#handle(entries, signal)))) return;
    for (const { done } of queued) done();
    this.#cursor.handled();
  }

  /** Handles entries. Resolves to false if it leaves them for the next start. */
  async #handle(entries: readonly Entry<Out>[], signal: AbortSignal): Promise<boolean> {
    const { options, store, fencingToken, counts } = this.#context;
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
      const outcome = await handleWithRetries(rest, call, decide, { signal, ending: this.#phases.ending });
      if (outcome.as === "left") return false;
      if (outcome.as === "handled") {
        counts.handled += rest.length;
        return true;
      }
      const { entries: given, error } = outcome;
      if (outcome.as === "park") await park(store, options, given, error, signal);
      counts[outcome.as === "park" ? "parked" : "skipped"] += given.length;
      // The handler gets the other entries again without those.
      rest = rest.filter((entry) => !given.includes(entry));
    }
    return true;
  }
}

function beyondHead(name: string, { next, head }: { next: SpaceOffsets; head: SpaceOffsets }): StreamkitError {
  const places = [...head].map(
    ([space, last]) => `at offset ${(next.get(space) ?? 0) - 1} of space "${space}", whose last offset is ${last}`,
  );
  const message =
    `the cursor "${name}" is beyond the head: ${places.join("; ")}. The store was created again or restored from an older backup, or the ` +
    "position comes from another store. To start again, delete the cursor (store.cursors.delete) or commit a position that " +
    'exists (store.cursors.commit); to wait for the head, use beyondHead: "wait"';
  return new StreamkitError("POSITION_BEYOND_HEAD", "out_of_range", message);
}
