import type { AppendResponse, ProduceResponse } from "@streamkit/protocol";
import { timestampMicros } from "../time.ts";

/** Where the records of one segment went. */
export interface AppendRange {
  /** The segment's name. */
  readonly segment: string;
  /** Sequence of the first record written; without records, the segment's last sequence + 1. */
  readonly firstSequence: number;
  /** Sequence of the last record written; without records, the segment's last sequence. */
  readonly lastSequence: number;
  /** Offset of the first record written; 0 without records. */
  readonly firstOffset: number;
}

/** The result of one transaction: it is durable. */
export interface AppendResult {
  /** The id of the transaction. */
  readonly transactionId: string;
  /** Its place in the history of its space, dense from 1. */
  readonly transactionNumber: number;
  /** When it was committed, cut to milliseconds. */
  readonly commitTime: Date;
  /** When it was committed, in microseconds since 1970-01-01T00:00Z. */
  readonly commitTimeMicros: number;
  /** One range per segment named, in the order of the request. */
  readonly ranges: readonly AppendRange[];
  /** True when an earlier attempt had been committed already, and nothing was written now. */
  readonly deduplicated: boolean;
}

/** The result of a transaction on one segment. */
export type SegmentAppendResult = AppendResult & AppendRange;

/** Reads the answer of Append or Produce. */
export function toAppendResult(response: AppendResponse | ProduceResponse): AppendResult {
  const commitTimeMicros = response.commitTime === undefined ? 0 : timestampMicros(response.commitTime);
  return {
    transactionId: response.transaction?.id ?? "",
    transactionNumber: Number(response.transaction?.number ?? 0n),
    commitTime: new Date(Math.floor(commitTimeMicros / 1_000)),
    commitTimeMicros,
    ranges: response.ranges.map(({ segment, firstSequence, lastSequence, firstOffset }) => ({
      segment,
      firstSequence: Number(firstSequence),
      lastSequence: Number(lastSequence),
      firstOffset: Number(firstOffset),
    })),
    deduplicated: response.deduplicated,
  };
}

/** Puts the only range of a result beside its other fields. */
export function toSegmentResult(result: AppendResult): SegmentAppendResult {
  return { ...result, ...result.ranges[0] };
}
