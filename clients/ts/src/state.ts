import { StreamkitError } from "./errors/error.ts";
import type { SpaceOffsets } from "./position.ts";

/** The connection broke, or could not be made, and is made again after a pause. */
export interface Retrying {
  readonly name: "retrying";
  /** Why. */
  readonly reason: StreamkitError;
  /** Attempts in a row that failed without progress. */
  readonly attempt: number;
  /** How long the pause is, in milliseconds. */
  readonly delayMillis: number;
}

/** How a subscription is doing. */
export type SubscriptionState =
  /** The first connection is being made, or its snapshot has not arrived yet. */
  | { readonly name: "connecting" }
  /** Connected. A subscription has delivered its snapshot; a read delivers the entries that there are. */
  | { readonly name: "live" }
  | Retrying
  /**
   * It has ended: for a `reason` that retries cannot help; without one, because it was closed or has delivered
   * everything.
   */
  | { readonly name: "ended"; readonly reason: StreamkitError | undefined };

/**
 * How a read is doing: as a subscription, with the head. `P` is a sequence for a segment, an offset for a space, and a
 * map of offsets by space for several spaces.
 */
export type ReadState<P = number> =
  | SubscriptionState
  /**
   * Everything was taken that is committed: up to `head`, when the read came there. Then `live` only if it falls
   * behind.
   */
  | { readonly name: "caughtUp"; readonly head: P }
  /**
   * The read asks for `next`, and the last that was ever committed is `head`, more than one before it: nothing arrives
   * until the head comes there. The store was made anew or restored from an older backup, or the position is not one of
   * this store. Where several spaces are read, `head` has those that are concerned.
   */
  | { readonly name: "beyondHead"; readonly next: P; readonly head: P };

/** How a consumer is doing: as its read, with what comes before it. */
export type ConsumerState =
  /** Has not run yet, or asks for its lease. */
  | { readonly name: "idle" }
  /** Waits for the lease, which another process holds. */
  | { readonly name: "standby" }
  /** Takes the cursor over, and connects. */
  | Exclude<ReadState<SpaceOffsets>, { readonly name: "ended" }>
  /** Has ended, with what it cannot go on after as its `reason`; without one, because it was stopped. */
  | { readonly name: "ended"; readonly reason: unknown };

/** Tells each new state of a read to the function that wants to know. */
export class ReadStates<P> {
  readonly #listener: ((state: ReadState<P>) => void) | undefined;
  #current: ReadState<P>["name"] | undefined;
  #beyond: { readonly next: P; readonly head: P } | undefined;

  constructor(listener: ((state: ReadState<P>) => void) | undefined) {
    this.#listener = listener;
  }

  /** True when somebody wants to know. */
  get wanted(): boolean {
    return this.#listener !== undefined;
  }

  /**
   * Tells a state unless it is the present one, or the read has ended. Throws what `callbackFailed` makes of a throwing
   * function.
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

  /** A connection begins, at `next`; `head` is given when that is beyond it. */
  begin(next: P, head: P | undefined): void {
    this.#beyond = head === undefined ? undefined : { next, head };
    this.enter({ name: "live" });
    if (this.#beyond !== undefined) this.enter({ name: "beyondHead", ...this.#beyond });
  }

  /** Entries arrived, of these spaces. */
  arrived(spaces: readonly string[]): void {
    if (this.#beyond === undefined) return;
    const { next, head } = this.#beyond;
    const left = head instanceof Map ? [...head].filter(([space]) => !spaces.includes(space)) : [];
    this.#beyond = left.length > 0 ? { next, head: new Map(left) as P } : undefined;
  }

  /** Everything that is committed was taken; `next` is where the read goes on. */
  reached(next: P): void {
    if (!this.wanted) return;
    if (this.#beyond !== undefined) this.enter({ name: "beyondHead", ...this.#beyond });
    else this.enter({ name: "caughtUp", head: before(next) });
  }

  /** Ends it. A read that was never begun says nothing. */
  end(reason: StreamkitError | undefined): void {
    if (this.#current === undefined) return;
    try {
      this.enter({ name: "ended", reason });
    } catch (thrown) {
      // The reader gets one error: why the read has failed.
      if (reason === undefined) throw thrown;
    }
  }
}

/** The error of a stream whose caller gave it a function that throws. */
export function callbackFailed(name: string, thrown: unknown): StreamkitError {
  const message = `${name} threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  return new StreamkitError("UNKNOWN", "unknown", message, { cause: thrown });
}

function before<P>(next: P): P {
  if (next instanceof Map) return new Map([...next].map(([space, offset]) => [space, offset - 1])) as P;
  return (Number(next) - 1) as P;
}
