import { StreamkitError } from "../errors/error.ts";
import { limitLastCalls } from "./last-calls.ts";

/** Signals that end a stint from outside. */
export interface Endings {
  /** Fires when the lease is lost. The stint then does nothing more. */
  readonly lost: AbortSignal;
  /** Fires when the consumer stops. The stint then starts no more work. */
  readonly stopping: AbortSignal;
  /** Fires after `stopping`, at the end of the grace of handlers. The stint still commits handled entries. */
  readonly aborting: AbortSignal;
}

/**
 * The phases of a stint and their signals. The table shows the events, and the work that each one ends:
 *
 *                   takeover   read, retries,      calls of handlers   commits
 *                              further calls       that run
 *    stopping          x             x
 *    failure                         x                    x
 *    aborting                                             x            after a second (`limitCommits`)
 *    lost              x             x                    x              x
 *                 `takingOver`    `ending`         `duringCall`       `committing`
 *
 * After a stop or a failure the stint commits the handled entries. After a loss it commits nothing, because another
 * process may own the cursor.
 */
export class Phases {
  /** Ends the takeover of the cursor. */
  readonly takingOver: AbortSignal;
  /** Ends the read, retries and further calls of handlers. */
  readonly ending: AbortSignal;
  /** Ends commits. */
  readonly committing: AbortSignal;
  readonly #lost: AbortSignal;
  readonly #aborting: AbortSignal;
  readonly #failed = new AbortController();
  /** Fires when the last commit takes too long. */
  readonly #overdue = new AbortController();
  /** One controller for each running call of a handler. */
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

  /** True if another process may own the cursor by now, although handlers may still run here. */
  get isLost(): boolean {
    return this.#lost.aborted;
  }

  /** True if the stint ends with an error of its own. */
  get hasFailed(): boolean {
    return this.#failed.signal.aborted;
  }

  /** Ends the stint with an error. The first failure counts. */
  fail(error: unknown): void {
    // A handler may throw `undefined`, which is no reason to report.
    this.#failed.abort(
      error ?? new StreamkitError("UNKNOWN", "unknown", "the handler threw null or undefined, not an error"),
    );
  }

  /** Throws the reason of the loss, if the lease is lost. */
  throwIfLost(): void {
    this.#lost.throwIfAborted();
  }

  /** Throws the error that the stint ends with, if it has failed. */
  throwIfFailed(): void {
    this.#failed.signal.throwIfAborted();
  }

  /** Limits commits to one second after `aborting`. Returns the function that removes the limit. */
  limitCommits(): () => void {
    return limitLastCalls(this.#aborting, this.#overdue);
  }

  /**
   * Runs a call of a handler with a signal of its own. Listeners that the handler leaves on the signal are garbage
   * after the call. The signal is not made by `AbortSignal.any`, because Node 22 keeps such signals as long as their
   * sources.
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
