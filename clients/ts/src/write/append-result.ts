import type { AppendResponse, ProduceResponse } from "@streamkit/protocol";
import { StreamkitError } from "../errors/error.ts";
import { timestampMicros } from "../time.ts";
import type { SizedTransaction } from "./transaction.ts";

/** The positions of the records that a transaction wrote to one segment. */
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

/** The result of a durable transaction. */
export interface AppendResult {
  /** The id of the transaction. */
  readonly transactionId: string;
  /** The transaction's place in the history of its space, dense from 1. */
  readonly transactionNumber: number;
  /** Commit time, cut to milliseconds. */
  readonly commitTime: Date;
  /** Commit time in microseconds since 1970-01-01T00:00Z. */
  readonly commitTimeMicros: number;
  /** One range for each segment of the request, in the order of the request. */
  readonly ranges: readonly AppendRange[];
  /** True if an earlier attempt was committed already, so that the server wrote nothing now. */
  readonly deduplicated: boolean;
}

/** The result of a transaction on one segment. */
export type SegmentAppendResult = AppendResult & AppendRange;

/**
 * Reads the answer of Append or Produce to a transaction.
 *
 * @throws StreamkitError TRANSACTION_ID_REUSED if the answer is the result of another transaction with the same id
 */
export function toAppendResult(
  response: AppendResponse | ProduceResponse,
  transaction: Pick<SizedTransaction, "segments" | "space">,
): AppendResult {
  const commitTimeMicros = response.commitTime === undefined ? 0 : timestampMicros(response.commitTime);
  const result = {
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
  if (result.deduplicated) checkIsOwn(result, transaction);
  return result;
}

/**
 * Checks the segments and numbers of records: a used id gives the result of its first use, for any new content (G7).
 */
function checkIsOwn(
  { transactionId, ranges }: AppendResult,
  { segments, space }: Pick<SizedTransaction, "segments" | "space">,
): void {
  const isOwn = ({ segment, records }: { segment: string; records: number }, index: number) =>
    ranges[index]?.segment === segment && ranges[index].lastSequence - ranges[index].firstSequence + 1 === records;
  if (ranges.length === segments.length && segments.every(isOwn)) return;
  const found = ranges.map(
    (range) => `sequences ${range.firstSequence} to ${range.lastSequence} of "${range.segment}"`,
  );
  const asked = segments.map(({ segment, records }) => `${records} to "${segment}"`);
  const message =
    `transaction ${transactionId} of space "${space}" was committed before by another append, which wrote ` +
    `${found.join(", ")}; the records of this one, ${asked.join(", ")}, are not written: give each transaction an id of its own`;
  throw new StreamkitError("TRANSACTION_ID_REUSED", "already_exists", message);
}

/** Copies the fields of the only range into the result. */
export function toSegmentResult(result: AppendResult): SegmentAppendResult {
  return { ...result, ...result.ranges[0] };
}
