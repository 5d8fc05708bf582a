import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { defect, ServerError } from "../errors.ts";

/** The status code of each reason. This is the only error table of the server. */
const CODES: Record<ErrorReason, Code> = {
  [ErrorReason.UNSPECIFIED]: Code.Internal,
  [ErrorReason.INVALID_FIELD]: Code.InvalidArgument,
  [ErrorReason.RECORD_TOO_LARGE]: Code.InvalidArgument,
  [ErrorReason.TRANSACTION_TOO_LARGE]: Code.InvalidArgument,
  [ErrorReason.SEQUENCE_MISMATCH]: Code.FailedPrecondition,
  [ErrorReason.FENCED]: Code.FailedPrecondition,
  [ErrorReason.LEASE_HELD]: Code.FailedPrecondition,
  [ErrorReason.LEASE_LOST]: Code.FailedPrecondition,
  [ErrorReason.CURSOR_CONFLICT]: Code.FailedPrecondition,
  [ErrorReason.UNAUTHENTICATED]: Code.Unauthenticated,
  [ErrorReason.PERMISSION_DENIED]: Code.PermissionDenied,
  [ErrorReason.NOT_FOUND]: Code.NotFound,
  [ErrorReason.STORAGE_UNAVAILABLE]: Code.Unavailable,
  [ErrorReason.SHUTTING_DOWN]: Code.Unavailable,
  [ErrorReason.DISK_FULL]: Code.ResourceExhausted,
  [ErrorReason.OVERLOADED]: Code.ResourceExhausted,
  [ErrorReason.DATA_LOSS]: Code.DataLoss,
  [ErrorReason.UNIMPLEMENTED]: Code.Unimplemented,
  [ErrorReason.INTERNAL]: Code.Internal,
  [ErrorReason.SESSION_ABORTED]: Code.Aborted,
  [ErrorReason.DEADLINE_EXCEEDED]: Code.DeadlineExceeded,
  [ErrorReason.REQUEST_TOO_LARGE]: Code.InvalidArgument,
  [ErrorReason.CANCELED]: Code.Canceled,
  [ErrorReason.TOKEN_MISSING]: Code.Unauthenticated,
  [ErrorReason.TOKEN_INVALID]: Code.Unauthenticated,
  [ErrorReason.TOKEN_EXPIRED]: Code.Unauthenticated,
  [ErrorReason.AUTHENTICATION_UNAVAILABLE]: Code.Unavailable,
};

/** Reasons after which the same request may succeed. */
const RETRYABLE: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.LEASE_HELD,
  ErrorReason.UNAUTHENTICATED,
  ErrorReason.STORAGE_UNAVAILABLE,
  ErrorReason.SHUTTING_DOWN,
  ErrorReason.DISK_FULL,
  ErrorReason.OVERLOADED,
  ErrorReason.INTERNAL,
  ErrorReason.SESSION_ABORTED,
  ErrorReason.DEADLINE_EXCEEDED,
  ErrorReason.CANCELED,
  ErrorReason.AUTHENTICATION_UNAVAILABLE,
]);

/**
 * Translates a failure into the error that the client sees: a status code and exactly one ErrorDetail. Connect errors
 * that carry details stay unchanged. Any other error becomes INTERNAL without its message, because the message may
 * contain secrets.
 */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ServerError) return fromStreamkitError(error);
  if (error instanceof ConnectError) {
    return error.details.length > 0 ? error : withDetail(error, reasonOfCode(error.code));
  }
  // The call was aborted, so nobody reads the answer.
  if (error instanceof Error && error.name === "AbortError") {
    return withDetail(new ConnectError("the call was cancelled", Code.Canceled), ErrorReason.CANCELED);
  }
  const internal = fromStreamkitError(defect("internal error"));
  internal.cause = error;
  return internal;
}

/** Translates Connect's error for a request that it could not read into the code and reason of the protocol. */
export function toRequestError(error: ConnectError): ConnectError {
  if (error.details.length > 0) return error;
  switch (error.code) {
    case Code.Internal:
    case Code.InvalidArgument:
      return fromStreamkitError(malformed(ErrorReason.INVALID_FIELD, error.rawMessage));
    case Code.ResourceExhausted:
      return fromStreamkitError(malformed(ErrorReason.REQUEST_TOO_LARGE, error.rawMessage));
    case Code.Unimplemented:
      return withDetail(error, ErrorReason.UNIMPLEMENTED);
    default:
      return toConnectError(error);
  }
}

function malformed(reason: ErrorReason, description: string): ServerError {
  const fieldViolations = [{ field: "", description }];
  return new ServerError(reason, `the request cannot be read: ${description}`, { fieldViolations });
}

/** Returns the reason in the detail of a translated error. */
export function reasonOf(error: ConnectError): ErrorReason | undefined {
  return error.findDetails(ErrorDetailSchema)[0]?.reason;
}

/** The parts of an error that every protocol has. */
export interface ErrorParts {
  readonly code: Code;
  readonly message: string;
  /** Names of message types and their binary encodings. */
  readonly details: readonly { readonly type: string; readonly value: Uint8Array }[];
}

/** Takes a translated error apart, for the ways in that write errors themselves. */
export function errorParts({ code, rawMessage, details }: ConnectError): ErrorParts {
  return {
    code,
    message: rawMessage,
    details: details.map((detail) =>
      "desc" in detail
        ? { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) }
        : { type: detail.type, value: detail.value },
    ),
  };
}

function reasonOfCode(code: Code): ErrorReason {
  switch (code) {
    case Code.InvalidArgument:
      return ErrorReason.INVALID_FIELD;
    case Code.Unimplemented:
      return ErrorReason.UNIMPLEMENTED;
    case Code.Unavailable:
      return ErrorReason.STORAGE_UNAVAILABLE;
    case Code.ResourceExhausted:
      return ErrorReason.OVERLOADED;
    case Code.DeadlineExceeded:
      return ErrorReason.DEADLINE_EXCEEDED;
    case Code.Canceled:
      return ErrorReason.CANCELED;
    case Code.Unauthenticated:
      return ErrorReason.UNAUTHENTICATED;
    case Code.PermissionDenied:
      return ErrorReason.PERMISSION_DENIED;
    case Code.NotFound:
      return ErrorReason.NOT_FOUND;
    case Code.DataLoss:
      return ErrorReason.DATA_LOSS;
    case Code.Internal:
    case Code.Unknown:
      return ErrorReason.INTERNAL;
    default:
      // An interceptor of the application refused the call for its own reason; a retry does not change that.
      return ErrorReason.UNSPECIFIED;
  }
}

/** Adds the detail of a reason to an error of Connect. The code stays. */
export function withDetail(error: ConnectError, reason: ErrorReason): ConnectError {
  const value = { reason, retryable: RETRYABLE.has(reason) };
  return new ConnectError(error.rawMessage, error.code, error.metadata, [{ desc: ErrorDetailSchema, value }], error);
}

function fromStreamkitError(error: ServerError): ConnectError {
  const { facts, reason } = error;
  const value = create(ErrorDetailSchema, {
    reason,
    retryable: RETRYABLE.has(reason),
    segment: facts.segment ?? "",
    expectedLastSequence: facts.expectedLastSequence ?? 0n,
    actualLastSequence: facts.actualLastSequence ?? 0n,
    retryAfter: facts.retryAfterMillis === undefined ? undefined : durationFromMs(facts.retryAfterMillis),
    fieldViolations: (facts.fieldViolations ?? []).map(({ field, description }) => ({ field, description })),
  });
  const detail = { desc: ErrorDetailSchema, value };
  const metadata = facts.challenge === undefined ? undefined : { "www-authenticate": facts.challenge };
  return new ConnectError(error.message, CODES[reason] ?? Code.Internal, metadata, [detail], error);
}
