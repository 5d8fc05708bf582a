import type { ErrorReason } from "@streamkit/protocol";

/**
 * Why a call failed: the names of `streamkit.v1.ErrorReason` (documented in proto/streamkit/v1/errors.proto), and some
 * that the client itself gives:
 *
 * - `CODEC_FAILED`: the codec of the handle threw, when it encoded a record or decoded an entry. `cause` is what it
 *   threw.
 * - `TRANSACTION_ID_REUSED`: the id of the transaction was used before, for other segments or another number of
 *   records. Nothing was written now.
 * - `POSITION_BEYOND_HEAD`: the cursor of a consumer is beyond everything that was ever committed to a space.
 * - `CANCELED`: the caller's AbortSignal fired. `cause` is the signal's reason.
 * - `CONNECTION_LOST`: no answer from a Streamkit server: refused, reset, timed out, or cut off in the middle.
 * - `MISCONFIGURED`: no server can be reached like this: the address, the certificate, the HTTP version or the origin
 *   of a page is wrong. The message says which, and what to do. Not retried, unless the same address has answered
 *   before.
 * - `UNKNOWN`: an answer that did not come from a Streamkit server and says nothing more. See `code`.
 */
export type StreamkitErrorReason =
  | Exclude<keyof typeof ErrorReason, "UNSPECIFIED">
  | "CODEC_FAILED"
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
  /** Path of the field in the request, for example `appends[2].records[7]`. */
  readonly field: string;
  /** What was expected, and what was found. */
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

/** The typed facts of a failure. All optional: absent means that the failure does not have them. */
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
 * The one error that this package throws and rejects with. Decide by `reason` and the typed fields; the message is for
 * people and may change.
 */
export class StreamkitError extends Error {
  override readonly name: string = "StreamkitError";
  /** Why the call failed. */
  readonly reason: StreamkitErrorReason;
  /** The status code of the call. */
  readonly code: StreamkitErrorCode;
  /** True when the same request, sent again, may succeed. What is safe to retry was already retried by the client. */
  readonly retryable: boolean;
  /** The segment concerned, for `SEQUENCE_MISMATCH`, `FENCED` and size errors. */
  readonly segment: string | undefined;
  /** For `SEQUENCE_MISMATCH`: the last sequence that the request expected. */
  readonly expectedLastSequence: number | undefined;
  /** For `SEQUENCE_MISMATCH`: the last sequence that was found. */
  readonly actualLastSequence: number | undefined;
  /** How long the server asks to wait before a retry, in milliseconds. */
  readonly retryAfterMillis: number | undefined;
  /** For `INVALID_FIELD`: each field with a problem. Empty otherwise. */
  readonly fieldViolations: readonly FieldViolation[];
  /**
   * For `CODEC_FAILED` of a read: the entry that could not be decoded, with its positions, its `payload` as it was
   * written and its `metadata`. Not shown with the error in logs, which the payload may be too long or too secret for.
   */
  declare readonly entry: UndecodedEntry | undefined;
  /** For `produce`: what was durable when it failed. `undefined` for every other call. */
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

/** The error of a call that its AbortSignal ended. */
export function canceled(signal: AbortSignal): StreamkitError {
  return new StreamkitError("CANCELED", "canceled", "the call was canceled by its signal", { cause: signal.reason });
}

/** The error of an address or a set-up with which no server can be reached; the message says what to change. */
export function misconfigured(message: string, cause?: unknown): StreamkitError {
  return new StreamkitError("MISCONFIGURED", "failed_precondition", message, { cause });
}

/** The same error, with what it happened to added to its message. */
export function located(error: StreamkitError, place: string): StreamkitError {
  const { reason, code, message } = error;
  return new StreamkitError(reason, code, `${message} (${place})`, { ...factsOf(error), cause: error.cause });
}

/** The same error, for a caller for whom a retry may help. */
export function retryable(error: StreamkitError, reason: StreamkitErrorReason): StreamkitError {
  const facts = { ...factsOf(error), retryable: true, cause: error.cause };
  return new StreamkitError(reason, error.code, error.message, facts);
}

/** The error of an argument that no server needs to see to refuse it. */
export function invalidArgument(field: string, description: string): StreamkitError {
  return new StreamkitError("INVALID_FIELD", "invalid_argument", `${field}: ${description}`, {
    fieldViolations: [{ field, description }],
  });
}

/** The error of a call with arguments that no server needs to see to refuse them. */
export function invalidFields(call: string, violations: readonly FieldViolation[]): StreamkitError {
  const message = violations.map(({ field, description }) => `${field} ${description}`).join("; ");
  return new StreamkitError("INVALID_FIELD", "invalid_argument", `${call}: ${message}`, {
    fieldViolations: violations,
  });
}

/** The error of a connection that broke, or fell silent. */
export function connectionLost(message: string, cause?: unknown): StreamkitError {
  return new StreamkitError("CONNECTION_LOST", "unavailable", message, { retryable: true, cause });
}

/** Delivered entries have a gap that no trim explains, or bytes make no sense (G11). */
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
