import type { FailureEvent } from "../entries/event.ts";

/**
 * What a generated workload on leases, tokens and cursors saw, in plain values: the input of the checker. Times are
 * milliseconds on one clock, `start` before the call was sent and `end` after its answer was there. No call is made
 * twice.
 */
export type CoordinationEvent =
  | LeaseCall
  | LeaseLook
  | FencedAppend
  | FencedLog
  | CursorCommit
  | CursorRead
  | FailureEvent;

interface Timed {
  readonly start: number;
  readonly end: number;
  /** For people. */
  readonly instance: number;
}

/** The connection broke, or time was up: it may have happened or not, and may still happen. */
interface Unknown {
  readonly is: "unknown";
}

export interface LeaseCall extends Timed {
  readonly kind: "lease";
  readonly rpc: "acquire" | "renew" | "release";
  readonly key: string;
  readonly holder: string;
  /** The same for all calls of a key. */
  readonly ttlMillis: number;
  /** What a renewal or a release claims. */
  readonly claimed?: number;
  readonly outcome:
    | { readonly is: "granted"; readonly token: number }
    | { readonly is: "released" | "held" | "lost" }
    | Unknown;
}

/** Who has a lease, as an instance says. */
export interface LeaseLook extends Timed {
  readonly kind: "look";
  readonly key: string;
  /** Absent: nobody. */
  readonly found?: { readonly holder: string; readonly token: number };
}

/** An append with the token of a lease, to the segment of its key. */
export interface FencedAppend extends Timed {
  readonly kind: "fenced";
  readonly key: string;
  readonly token: number;
  /** Unique in the whole history. */
  readonly payload: string;
  readonly outcome: { readonly is: "acked" | "refused" } | Unknown;
}

/** Everything in the segment of a key, when all was over. */
export interface FencedLog extends Timed {
  readonly kind: "log";
  readonly key: string;
  readonly payloads: readonly string[];
}

/** A state of a cursor. */
export interface CursorState {
  readonly version: number;
  readonly offsets: Readonly<Record<string, number>>;
}

/** A commit of one offset. */
export interface CursorCommit extends Timed {
  readonly kind: "commit";
  readonly name: string;
  readonly space: string;
  /** Unique in the whole history. */
  readonly offset: number;
  readonly expected?: number;
  readonly outcome: ({ readonly is: "acked" } & CursorState) | { readonly is: "conflict" } | Unknown;
}

export interface CursorRead extends Timed {
  readonly kind: "cursor";
  readonly name: string;
  /** Absent: there is no such cursor. */
  readonly found?: CursorState;
}
