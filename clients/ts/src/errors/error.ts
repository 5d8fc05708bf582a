import type { ErrorReason } from "@streamkit/protocol";

/**
 * The reason why a call failed: a name of `streamkit.v1.ErrorReason` (documented in proto/streamkit/v1/errors.proto),
 * or one of the client's own reasons:
 *
 * - `CODEC_FAILED`: the codec of the handle threw while it encoded a record or decoded an entry. `cause` is the codec's
 *   error.
 * - `TOKEN_FAILED`: the function of the client's option `token` threw, gave no token in time, or returned something
 *   else. If it threw, `cause` is its error.
 * - `TRANSACTION_ID_REUSED`: an earlier append had the same transaction id, but other segments or another number of
 *   records. The server wrote nothing now.
 * - `POSITION_BEYOND_HEAD`: the cursor of a consumer is beyond the last entry ever committed to a space.
 * - `CANCELED`: the caller's AbortSignal fired. `cause` is the signal's reason.
 * - `CONNECTION_LOST`: the client got no complete answer. The connection was refused, reset or cut off, or the wait for
 *   the answer timed out.
 * - `MISCONFIGURED`: the address, the certificate, the HTTP version or the origin of a page is wrong, so no retry can
 *   succeed. The message says which one, and what to do. If the same address has answered before, the client reports
 *   `CONNECTION_LOST` instead, and retries.
 * - `UNKNOWN`: an answer without a reason that this version knows, for example of a proxy; `code` is its status. Also
 *   an error that a callback of the application threw, which is the `cause`.
 */
export type StreamkitErrorReason =
  | Exclude<keyof typeof ErrorReason, "UNSPECIFIED">
  | "CODEC_FAILED"
  | "TOKEN_FAILED"
  | "TRANSACTION_ID_REUSED"
  | "POSITION_BEYOND_HEAD"
  | "CANCELED"
  | "CONNECTION_LOST"
  | "MISCONFIGURED"
  | "UNKNOWN";

/** The status code of a failed call, by its name in the Connect protocol. */
export type StreamkitErrorCode =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** One problem with one field of a request. */
export interface FieldViolation {
  /** Path of the field in the request or the options, for example `appends[2].records[7]`. */
  readonly field: string;
  /** The expected value, and the value found. */
  readonly description: string;
}

/** An entry whose payload a codec could not decode: an `Entry` without its `value`. */
export interface UndecodedEntry {
  readonly storeId: string;
  readonly space: string;
  readonly segment: string;
  /** Position in the segment, dense from 1. */
  readonly sequence: number;
  /** Position in the space, dense from 1. */
  readonly offset: number;
  /** When the entry was committed, cut to milliseconds. */
  readonly commitTime: Date;
  /** When the entry was committed, in microseconds since 1970-01-01T00:00Z. */
  readonly commitTimeMicros: number;
  /** The id that the writer chose for the transaction. */
  readonly transactionId: string;
  /** The transaction's place in the history of its space, dense from 1. */
  readonly transactionNumber: number;
  /** The bytes that the codec refused. */
  readonly payload: Uint8Array;
  /** The labels that the writer gave the record. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The typed facts of a failure. Each failure has some of them; the fields of `StreamkitError` say which. */
export interface StreamkitErrorFacts {
  readonly retryable?: boolean;
  readonly segment?: string;
  readonly expectedLastSequence?: number;
  readonly actualLastSequence?: number;
  readonly retryAfterMillis?: number;
  readonly fieldViolations?: readonly FieldViolation[];
  readonly entry?: UndecodedEntry;
  readonly cause?: unknown;
}

/**
 * The error of all methods of this package. Let programs decide by `reason` and the typed fields. The message is for
 * people and may change.
 */
export class StreamkitError extends Error {
  override readonly name: string = "StreamkitError";
  /** The reason why the call failed. */
  readonly reason: StreamkitErrorReason;
  /** The status code of the call. */
  readonly code: StreamkitErrorCode;
  /**
   * True if the same request may succeed when it is sent again. The client has already done all retries that are safe.
   */
  readonly retryable: boolean;
  /** For `SEQUENCE_MISMATCH`, `FENCED` and size errors: the name of the segment. */
  readonly segment: string | undefined;
  /** For `SEQUENCE_MISMATCH`: the last sequence that the request expected. */
  readonly expectedLastSequence: number | undefined;
  /** For `SEQUENCE_MISMATCH`: the last sequence of the segment. */
  readonly actualLastSequence: number | undefined;
  /** The wait that the server asks for before a retry, in milliseconds. */
  readonly retryAfterMillis: number | undefined;
  /** For `INVALID_FIELD`: each field with a problem. Empty otherwise. */
  readonly fieldViolations: readonly FieldViolation[];
  /**
   * For `CODEC_FAILED` of a read: the entry whose payload the codec could not decode. The property is not enumerable,
   * so that logs of the error do not show the payload, which may be long or secret.
   */
  declare readonly entry: UndecodedEntry | undefined;
  /** For `produce`: counts of the records and transactions that are durable. `undefined` for every other call. */
  acknowledged: { readonly records: number; readonly transactions: number } | undefined;

  constructor(
    reason: StreamkitErrorReason,
    code: StreamkitErrorCode,
    message: string,
    facts: StreamkitErrorFacts = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.reason = reason;
    this.code = code;
    this.retryable = facts.retryable ?? false;
    this.segment = facts.segment;
    this.expectedLastSequence = facts.expectedLastSequence;
    this.actualLastSequence = facts.actualLastSequence;
    this.retryAfterMillis = facts.retryAfterMillis;
    this.fieldViolations = facts.fieldViolations ?? [];
    this.acknowledged = undefined;
    Object.defineProperty(this, "entry", { value: facts.entry });
  }
}

/** The error of a call whose AbortSignal fired. */
export function canceled(signal: AbortSignal): StreamkitError {
  return new StreamkitError("CANCELED", "canceled", "the call was canceled by its signal", { cause: signal.reason });
}

/** The error of a wrong address or set-up. The message says what to change. */
export function misconfigured(message: string, cause?: unknown): StreamkitError {
  return new StreamkitError("MISCONFIGURED", "failed_precondition", message, { cause });
}

/** The same error, with the place of the failure at the end of its message. */
export function located(error: StreamkitError, place: string): StreamkitError {
  const { reason, code, message } = error;
  return new StreamkitError(reason, code, `${message} (${place})`, { ...factsOf(error), cause: error.cause });
}

/** The same error, as a failure that a retry may mend or not, perhaps with another reason. */
export function judged(error: StreamkitError, retryable: boolean, reason = error.reason): StreamkitError {
  return new StreamkitError(reason, error.code, error.message, { ...factsOf(error), retryable, cause: error.cause });
}

/** The error of an argument that the client refuses before it asks a server. */
export function invalidArgument(field: string, description: string): StreamkitError {
  return new StreamkitError("INVALID_FIELD", "invalid_argument", `${field}: ${description}`, {
    fieldViolations: [{ field, description }],
  });
}

/** The error of a call whose arguments the client refuses before it asks a server. */
export function invalidFields(call: string, violations: readonly FieldViolation[]): StreamkitError {
  const message = violations.map(({ field, description }) => `${field} ${description}`).join("; ");
  return new StreamkitError("INVALID_FIELD", "invalid_argument", `${call}: ${message}`, {
    fieldViolations: violations,
  });
}

/** The error of a connection that broke or fell silent. */
export function connectionLost(message: string, cause?: unknown): StreamkitError {
  return new StreamkitError("CONNECTION_LOST", "unavailable", message, { retryable: true, cause });
}

/** The error of a gap between delivered entries that no trim explains, or of malformed bytes (G11). */
export function dataLoss(message: string, facts: { segment?: string; cause?: unknown } = {}): StreamkitError {
  return new StreamkitError("DATA_LOSS", "data_loss", message, facts);
}

function factsOf(error: StreamkitError): StreamkitErrorFacts {
  const facts: { -readonly [K in keyof StreamkitErrorFacts]: StreamkitErrorFacts[K] } = {
    retryable: error.retryable,
    fieldViolations: error.fieldViolations,
  };
  if (error.entry !== undefined) facts.entry = error.entry;
  if (error.segment !== undefined) facts.segment = error.segment;
  if (error.expectedLastSequence !== undefined) facts.expectedLastSequence = error.expectedLastSequence;
  if (error.actualLastSequence !== undefined) facts.actualLastSequence = error.actualLastSequence;
  if (error.retryAfterMillis !== undefined) facts.retryAfterMillis = error.retryAfterMillis;
  return facts;
}
