/** What a generated workload saw, in plain values: the input of the checker. Times are milliseconds on one clock. */
export type Event = AppendEvent | ReadEvent | TrimEvent | StatusEvent | FailureEvent;

interface Timed {
  /** Before it began. */
  readonly start: number;
  /** After it ended. */
  readonly end: number;
  readonly space: string;
  /** The server that was called last, of several; for people. */
  readonly instance?: number;
}

/** One append, with its attempts, and its outcome. A repetition of the same transaction is an event of its own. */
export interface AppendEvent extends Timed {
  readonly kind: "append";
  readonly transactionId: string;
  /** Records by segment, in the order of the request; payloads are unique in the whole history. */
  readonly parts: readonly AppendedPart[];
  /** How often it was sent; more than once only after attempts without an answer. */
  readonly attempts: number;
  readonly outcome:
    | Acked
    /** Refused: nothing was written. For a mismatch, the value that was found. */
    | { readonly is: "refused"; readonly segment?: string; readonly actual?: number }
    /** The connection broke, or time was up: it may have happened or not. */
    | { readonly is: "unknown" };
}

export interface AppendedPart {
  readonly segment: string;
  readonly payloads: readonly string[];
  readonly expected?: number;
}

/** What the writer was told. */
export interface Acked {
  readonly is: "acked";
  readonly number: number;
  readonly micros: number;
  readonly deduplicated: boolean;
  readonly ranges: readonly {
    readonly segment: string;
    readonly firstSequence: number;
    readonly firstOffset: number;
  }[];
}

/** What one read, or one follow from its begin to its end, delivered. */
export interface ReadEvent extends Timed {
  readonly kind: "read";
  /** Absent: the whole space. */
  readonly segment?: string;
  /** First position asked for: a sequence with `segment`, an offset without. */
  readonly from: number;
  /** True when it ended at the head as of its call; false for a follow, and for a read that broke. */
  readonly complete: boolean;
  /** A follow that was given time to reach the end of everything: it must have. */
  readonly follows?: true;
  readonly entries: readonly ReadEntry[];
}

export interface ReadEntry {
  readonly segment: string;
  readonly sequence: number;
  readonly offset: number;
  readonly payload: string;
  readonly transactionId: string;
  /** The number of its transaction. */
  readonly number: number;
  readonly micros: number;
}

/** A trim: entries with a sequence below `before` are gone, from the moment on that it is acknowledged. */
export interface TrimEvent extends Timed {
  readonly kind: "trim";
  readonly segment: string;
  readonly before: number;
  /** Not acknowledged: it may have happened, happen later, or never. */
  readonly acked: boolean;
}

/** Where a segment was said to stand. */
export interface StatusEvent extends Timed {
  readonly kind: "status";
  readonly segment: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** A failure that no trouble explains: a call that ended with a reason which means a defect, or a server that died. */
export interface FailureEvent extends Timed {
  readonly kind: "failure";
  readonly what: string;
  /** As in ErrorDetail, or "DIED". */
  readonly reason: string;
  readonly message: string;
}
