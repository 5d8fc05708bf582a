import { StreamkitError } from "../errors/error.ts";
import { limitLastCalls } from "./last-calls.ts";

/** What brings a stint to its end, from outside. */
export interface Endings {
  /** Fires when nothing may be done any more: the lease is lost. */
  readonly lost: AbortSignal;
  /** Fires when no more shall be begun. */
  readonly stopping: AbortSignal;
  /** Fires after `stopping`, when handlers have had their time: what they have done is still to be committed. */
  readonly aborting: AbortSignal;
}

/**
 * The way of a stint to its end, and the signals on it. What happens, and what it ends:
 *
 *                   takeover   read, retries,      calls of handlers   commits
 *                              further calls       that run
 *    stopping          x             x
 *    failure                         x                    x
 *    aborting                                             x            after a second (`limitCommits`)
 *    lost              x             x                    x              x
 *                 `takingOver`    `ending`         `duringCall`       `committing`
 *
 * After a stop or a failure, what was handled is committed; after a loss somebody else may have the cursor, so nothing
 * is.
 */
export class Phases {
  /** Ends the takeover of the cursor. */
  readonly takingOver: AbortSignal;
  /** Ends everything that begins more work. */
  readonly ending: AbortSignal;
  /** Ends commits. */
  readonly committing: AbortSignal;
  readonly #lost: AbortSignal;
  readonly #aborting: AbortSignal;
  readonly #failed = new AbortController();
  /** Fires when even the last commit took too long. */
  readonly #overdue = new AbortController();
  /** Of the calls of handlers that run. */
  readonly #calls = new Set<AbortController>();

  constructor({ lost, stopping, aborting }: Endings) {
    this.#lost = lost;
    this.#aborting = aborting;
    this.takingOver = AbortSignal.any([lost, stopping]);
    this.ending = AbortSignal.any([lost, stopping, this.#failed.signal]);
    this.committing = AbortSignal.any([lost, this.#overdue.signal]);
    const abortingCalls = AbortSignal.any([lost, aborting, this.#failed.signal]);
    abortingCalls.addEventListener("abort", () => {
      for (const call of this.#calls) call.abort(abortingCalls.reason);
    });
  }

  /** True when somebody else may have the cursor by now, though handlers may still run here. */
  get isLost(): boolean {
    return this.#lost.aborted;
  }

  /** True when the stint ends with an error of its own. */
  get hasFailed(): boolean {
    return this.#failed.signal.aborted;
  }

  /** Ends the stint with an error. The first failure counts. */
  fail(error: unknown): void {
    // AbortControllers take anything as a reason; a later throw needs an error.
    this.#failed.abort(error ?? new StreamkitError("UNKNOWN", "unknown", "the handler threw nothing"));
  }

  /** Throws why nothing may be done any more. */
  throwIfLost(): void {
    this.#lost.throwIfAborted();
  }

  /** Throws the error that the stint ends with, if it has failed. */
  throwIfFailed(): void {
    this.#failed.signal.throwIfAborted();
  }

  /** From here on, commits end a second after `aborting`. Returns what takes that back. */
  limitCommits(): () => void {
    return limitLastCalls(this.#aborting, this.#overdue);
  }

  /**
   * Each call of a handler has a signal of its own: what a handler hangs on it and leaves there goes with it. It is not
   * derived from others by `AbortSignal.any`, of which Node 22 keeps something for as long as the others live.
   */
  async duringCall<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const call = new AbortController();
    this.#calls.add(call);
    try {
      return await run(call.signal);
    } finally {
      this.#calls.delete(call);
    }
  }
}
