import { create } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, TimestampSchema, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type AppendResult,
  type Batch,
  type Cursor,
  type Entry,
  type Lease,
  type SegmentStatus,
  type ServerBudgets,
  type SpaceStatus,
  StreamkitError,
  type Worker,
} from "@streamkit/client";
import {
  type AppendResponse,
  AppendResponseSchema,
  BudgetsSchema,
  CursorSchema,
  type EntryBatch,
  EntryBatchSchema,
  ErrorDetailSchema,
  ErrorReason,
  LeaseSchema,
  SegmentStatusSchema,
  SpaceStatusSchema,
  WorkerSchema,
} from "@streamkit/protocol";
import { type Failure, FailureSchema } from "@streamkit/protocol/conformance";

/** Converts microseconds since 1970 into a timestamp. */
function microsToTimestamp(micros: number): Timestamp {
  const seconds = Math.floor(micros / 1_000_000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1_000_000) * 1_000 });
}

/** Converts a timestamp into the SDK's form of a time. */
export function toMicros(time: Timestamp | undefined): { micros: number } | undefined {
  return time && { micros: Number(time.seconds) * 1_000_000 + Math.floor(time.nanos / 1_000) };
}

/** Converts the SDK's result of an append into the response message. */
export function toAppendResponse(result: AppendResult): AppendResponse {
  return create(AppendResponseSchema, {
    transaction: { id: result.transactionId, number: BigInt(result.transactionNumber) },
    commitTime: microsToTimestamp(result.commitTimeMicros),
    ranges: result.ranges.map((range) => ({
      segment: range.segment,
      firstSequence: BigInt(range.firstSequence),
      lastSequence: BigInt(range.lastSequence),
      firstOffset: BigInt(range.firstOffset),
    })),
    deduplicated: result.deduplicated,
  });
}

/** Converts a batch, or some of its entries, into a message. */
export function toEntryBatch(batch: Batch, entries: Iterable<Entry> = batch): EntryBatch {
  const list = [...entries];
  return create(EntryBatchSchema, {
    space: batch.space,
    segment: batch.segment,
    firstSequence: BigInt(list[0]?.sequence ?? 0),
    firstOffset: BigInt(list[0]?.offset ?? 0),
    commitTime: microsToTimestamp(batch.commitTimeMicros),
    transaction: { id: batch.transactionId, number: BigInt(batch.transactionNumber) },
    records: list.map((entry) => ({ payload: entry.payload.slice(), metadata: { ...entry.metadata } })),
  });
}

export function toSegmentStatusMessage(status: SegmentStatus) {
  return create(SegmentStatusSchema, {
    space: status.space,
    segment: status.segment,
    firstSequence: BigInt(status.firstSequence),
    lastSequence: BigInt(status.lastSequence),
    lastOffset: BigInt(status.lastOffset),
    ...(status.firstTimeMicros && { firstTime: microsToTimestamp(status.firstTimeMicros) }),
    ...(status.lastTimeMicros && { lastTime: microsToTimestamp(status.lastTimeMicros) }),
  });
}

export function toSpaceStatusMessage(status: SpaceStatus) {
  return create(SpaceStatusSchema, {
    space: status.space,
    firstOffset: BigInt(status.firstOffset),
    lastOffset: BigInt(status.lastOffset),
    segmentCount: BigInt(status.segmentCount),
    ...(status.lastTimeMicros && { lastTime: microsToTimestamp(status.lastTimeMicros) }),
  });
}

export function toLeaseMessage({ key, holder, fencingToken, expireTime }: Lease) {
  return create(LeaseSchema, { key, holder, fencingToken, expireTime: timestampFromDate(expireTime) });
}

export function toCursorMessage({ name, offsets, version, updateTime }: Cursor) {
  return create(CursorSchema, {
    name,
    offsets: Object.fromEntries([...offsets].map(([space, offset]) => [space, BigInt(offset)])),
    version: BigInt(version),
    updateTime: timestampFromDate(updateTime),
  });
}

export function toWorkerMessage({ id, metadata, joinTime, registration }: Worker) {
  return create(WorkerSchema, { id, metadata: { ...metadata }, joinTime: timestampFromDate(joinTime), registration });
}

/**
 * Converts an error of the SDK into the failure that the suite reports. The three reasons that the SDK adds have no
 * detail.
 */
export function sdkFailure(error: unknown): Failure {
  if (!(error instanceof StreamkitError)) {
    return create(FailureSchema, { code: "UNKNOWN", message: error instanceof Error ? error.message : String(error) });
  }
  const reason = ErrorReason[error.reason as keyof typeof ErrorReason];
  const detail = create(ErrorDetailSchema, {
    reason: reason ?? ErrorReason.UNSPECIFIED,
    retryable: error.retryable,
    segment: error.segment ?? "",
    expectedLastSequence: BigInt(error.expectedLastSequence ?? 0),
    actualLastSequence: BigInt(error.actualLastSequence ?? 0),
    fieldViolations: error.fieldViolations.map(({ field, description }) => ({
      field: toFieldName(field),
      description,
    })),
    ...(error.retryAfterMillis === undefined ? {} : { retryAfter: durationFromMs(error.retryAfterMillis) }),
  });
  const details = reason === undefined ? [] : [detail];
  return create(FailureSchema, { code: error.code.toUpperCase(), message: error.message, details });
}

/** Converts the name of an SDK option into the name of the equivalent request field. */
function toFieldName(field: string): string {
  return /^[a-z]+([A-Z][a-z]+)+$/.test(field)
    ? field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    : field;
}

export function toBudgetsMessage(budgets: ServerBudgets) {
  return create(BudgetsSchema, {
    maxConnectionStreams: budgets.maxConnectionStreams,
    maxConnectionRequestBytes: BigInt(budgets.maxConnectionRequestBytes),
    maxConnectionResponseBytes: BigInt(budgets.maxConnectionResponseBytes),
    requestTimeout: durationFromMs(budgets.requestTimeoutMillis),
  });
}
