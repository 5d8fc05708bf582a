/**
 * An observation of a generated workload in plain values: the input of the checker. Times are milliseconds on one
 * clock.
 */
export type Event = AppendEvent | ReadEvent | TrimEvent | StatusEvent | FailureEvent;

interface Timed {
  /** Time before the operation began. */
  readonly start: number;
  /** Time after the operation ended. */
  readonly end: number;
  readonly space: string;
  /** With several servers: the one that was called last, for people. */
  readonly instance?: number;
}

/** One append with its attempts and its outcome. A repetition of the same transaction is a separate event. */
export interface AppendEvent extends Timed {
  readonly kind: "append";
  readonly transactionId: string;
  /** Records by segment, in the order of the request. Payloads are unique in the whole history. */
  readonly parts: readonly AppendedPart[];
  /** Number of attempts. There is a second one only after an attempt without an answer. */
  readonly attempts: number;
  readonly outcome:
    | Acked
    /** The server refused the append and wrote nothing. For a mismatch, the event has the sequence that it reported. */
    | { readonly is: "refused"; readonly segment?: string; readonly actual?: number }
    /** The connection broke or the time was up: the append may have happened or not. */
    | { readonly is: "unknown" };
}

export interface AppendedPart {
  readonly segment: string;
  readonly payloads: readonly string[];
  readonly expected?: number;
}

/** The acknowledgement that the writer received. */
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

/** The entries that one read, or one follow from start to end, delivered. */
export interface ReadEvent extends Timed {
  readonly kind: "read";
  /** Absent for the whole space. */
  readonly segment?: string;
  /** First requested position: a sequence with `segment`, otherwise an offset. */
  readonly from: number;
  /** True if the read ended at the head at the time of its call; false for a follow and a broken read. */
  readonly complete: boolean;
  /** Set for a follow that had time to reach the end. It must have received everything. */
  readonly follows?: true;
  readonly entries: readonly ReadEntry[];
}

export interface ReadEntry {
  readonly segment: string;
  readonly sequence: number;
  readonly offset: number;
  readonly payload: string;
  readonly transactionId: string;
  /** Transaction number. */
  readonly number: number;
  readonly micros: number;
}

/** A trim. Entries with a sequence below `before` are gone once the trim is acknowledged. */
export interface TrimEvent extends Timed {
  readonly kind: "trim";
  readonly segment: string;
  readonly before: number;
  /** False if there was no acknowledgement: the trim may have happened, may happen later, or never. */
  readonly acked: boolean;
}

/** The bounds of a segment in an answer. */
export interface StatusEvent extends Timed {
  readonly kind: "status";
  readonly segment: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** A failure that the trouble does not explain: a call ended with a reason that means a defect, or a server died. */
export interface FailureEvent extends Timed {
  readonly kind: "failure";
  readonly what: string;
  /** Reason as in ErrorDetail, or "DIED". */
  readonly reason: string;
  readonly message: string;
}
