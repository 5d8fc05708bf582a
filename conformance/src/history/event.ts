/** What a generated workload saw, in plain values: the input of the checker. Times are milliseconds on one clock. */
export type Event = AppendEvent | ReadEvent;

/** One append and its outcome. */
export interface AppendEvent {
  readonly kind: "append";
  readonly start: number;
  readonly end: number;
  readonly space: string;
  readonly transactionId: string;
  /** Records by segment, in the order of the request; payloads are unique in the whole history. */
  readonly parts: readonly {
    readonly segment: string;
    readonly payloads: readonly string[];
    readonly expected?: number;
  }[];
  readonly outcome:
    | { readonly is: "acked"; readonly number: number; readonly ranges: readonly AckedRange[] }
    /** Refused: nothing was written. For a mismatch, the value that was found. */
    | { readonly is: "refused"; readonly segment?: string; readonly actual?: number }
    /** The connection broke, or time was up: it may have happened or not. */
    | { readonly is: "unknown" };
}

interface AckedRange {
  readonly segment: string;
  readonly firstSequence: number;
  readonly firstOffset: number;
}

/** What one read, or one follow from its begin to its end, delivered. */
export interface ReadEvent {
  readonly kind: "read";
  readonly start: number;
  readonly end: number;
  readonly space: string;
  /** Absent: the whole space. */
  readonly segment?: string;
  /** First position asked for: a sequence with `segment`, an offset without. */
  readonly from: number;
  /** True when it ended at the head as of its call; false for a follow, and for a read that broke. */
  readonly complete: boolean;
  readonly entries: readonly ReadEntry[];
}

export interface ReadEntry {
  readonly segment: string;
  readonly sequence: number;
  readonly offset: number;
  readonly payload: string;
  readonly transactionId: string;
  readonly micros: number;
}
