import { StreamkitError } from "./errors/error.ts";
import type { SpaceOffsets } from "./position.ts";

/** The connection failed. The client connects again after a pause. */
export interface Retrying {
  readonly name: "retrying";
  /** The error of the connection. */
  readonly reason: StreamkitError;
  /** Number of attempts in a row that failed without progress. */
  readonly attempt: number;
  /** Length of the pause, in milliseconds. */
  readonly delayMillis: number;
}

/** The state of a subscription. */
export type SubscriptionState =
  /** The subscription makes its first connection, or waits for its snapshot. */
  | { readonly name: "connecting" }
  /** Connected. A subscription has its snapshot; a read has entries to deliver. */
  | { readonly name: "live" }
  | Retrying
  /**
   * Ended. `reason` is an error that retries cannot mend; `undefined` if the caller closed the subscription or read, or
   * the read has delivered everything.
   */
  | { readonly name: "ended"; readonly reason: StreamkitError | undefined };

/**
 * The state of a read: a state of its connection, or its place at the head. `P` is a sequence for a segment, an offset
 * for a space, and a map of offsets by space for several spaces.
 */
export type ReadState<P = number> =
  | SubscriptionState
  /**
   * The caller has taken all committed entries; `head` is the last of them. The next state is `live` only if the read
   * falls behind.
   */
  | { readonly name: "caughtUp"; readonly head: P }
  /**
   * The read waits for `next`, which is beyond `head` + 1, so no entry arrives until the head gets there. Either the
   * store was created again or restored from an older backup, or the position comes from another store. For several
   * spaces, `head` contains only the spaces concerned.
   */
  | { readonly name: "beyondHead"; readonly next: P; readonly head: P };

/** The state of a consumer: a state of its read, or of the way there. */
export type ConsumerState =
  /** The consumer does not run yet, or asks for its lease. */
  | { readonly name: "idle" }
  /** The consumer waits for the lease, which another process holds. */
  | { readonly name: "standby" }
  /** The consumer runs; `connecting` includes the takeover of the cursor. */
  | Exclude<ReadState<SpaceOffsets>, { readonly name: "ended" }>
  /** The consumer has ended: because of `reason`, or because it was stopped if `reason` is `undefined`. */
  | { readonly name: "ended"; readonly reason: unknown };

/** Reports each new state of a read to the application's function. */
export class ReadStates<P> {
  readonly #listener: ((state: ReadState<P>) => void) | undefined;
  #current: ReadState<P>["name"] | undefined;
  #beyond: { readonly next: P; readonly head: P } | undefined;

  constructor(listener: ((state: ReadState<P>) => void) | undefined) {
    this.#listener = listener;
  }

  /** True if the application has given a function. */
  get wanted(): boolean {
    return this.#listener !== undefined;
  }

  /**
   * Reports a state, unless it is the present one or the read has ended.
   *
   * @throws StreamkitError `callbackFailed` if the application's function throws
   */
  enter(state: ReadState<P>): void {
    if (this.#current === "ended" || (this.#current === state.name && state.name !== "retrying")) return;
    this.#current = state.name;
    try {
      this.#listener?.(state);
    } catch (thrown) {
      throw callbackFailed("onStateChange", thrown);
    }
  }

  /** Notes a new connection that starts at `next`. `head` is defined if `next` is beyond it. */
  begin(next: P, head: P | undefined): void {
    this.#beyond = head === undefined ? undefined : { next, head };
    this.enter({ name: "live" });
    if (this.#beyond !== undefined) this.enter({ name: "beyondHead", ...this.#beyond });
  }

  /** Notes that entries of these spaces arrived. */
  arrived(spaces: readonly string[]): void {
    if (this.#beyond === undefined) return;
    const { next, head } = this.#beyond;
    const left = head instanceof Map ? [...head].filter(([space]) => !spaces.includes(space)) : [];
    this.#beyond = left.length > 0 ? { next, head: new Map(left) as P } : undefined;
  }

  /** Notes that the caller took all committed entries. The read continues at `next`. */
  reached(next: P): void {
    if (!this.wanted) return;
    if (this.#beyond !== undefined) this.enter({ name: "beyondHead", ...this.#beyond });
    else this.enter({ name: "caughtUp", head: before(next) });
  }

  /** Reports the end, unless the read has never begun. */
  end(reason: StreamkitError | undefined): void {
    if (this.#current === undefined) return;
    try {
      this.enter({ name: "ended", reason });
    } catch (thrown) {
      // The reader gets one error, and the failure of the read matters more than that of the function.
      if (reason === undefined) throw thrown;
    }
  }
}

/** The error of a read or subscription whose caller's function threw. */
export function callbackFailed(name: string, thrown: unknown): StreamkitError {
  const message = `${name} threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  return new StreamkitError("UNKNOWN", "unknown", message, { cause: thrown });
}

function before<P>(next: P): P {
  if (next instanceof Map) return new Map([...next].map(([space, offset]) => [space, offset - 1])) as P;
  return (Number(next) - 1) as P;
}
