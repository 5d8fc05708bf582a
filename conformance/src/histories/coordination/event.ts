import type { FailureEvent } from "../entries/event.ts";

/**
 * An observation of a generated workload on leases, tokens and cursors in plain values: the input of the checker. Times
 * are milliseconds on one clock: `start` before the call was sent, `end` after its answer arrived. No call is repeated.
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
  /** Instance that was called, for people. */
  readonly instance: number;
}

/** The connection broke or the time was up: the call may have happened or not, and may still happen. */
interface Unknown {
  readonly is: "unknown";
}

export interface LeaseCall extends Timed {
  readonly kind: "lease";
  readonly rpc: "acquire" | "renew" | "release";
  readonly key: string;
  readonly holder: string;
  /** Ttl of the lease in milliseconds, the same for all calls of a key. */
  readonly ttlMillis: number;
  /** Token that a renewal or release claims. */
  readonly claimed?: number;
  readonly outcome:
    | { readonly is: "granted"; readonly token: number }
    | { readonly is: "released" | "held" | "lost" }
    | Unknown;
}

/** The holder of a lease as an instance reports it. */
export interface LeaseLook extends Timed {
  readonly kind: "look";
  readonly key: string;
  /** Absent if the lease is free. */
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

/** All entries in the segment of a key, read at the end. */
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
  /** Absent if there is no such cursor. */
  readonly found?: CursorState;
}
