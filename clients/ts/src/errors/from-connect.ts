import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { WireFormatError } from "@streamkit/protocol/wire";
import { durationMillis } from "../time.ts";
import {
  canceled,
  dataLoss,
  StreamkitError,
  type StreamkitErrorCode,
  type StreamkitErrorFacts,
  type StreamkitErrorReason,
} from "./error.ts";
import { mistakeOf, textOfOutage } from "./mistake.ts";

/**
 * Translates the error of a call into a StreamkitError. This is the only place that examines errors of Connect.
 *
 * A Streamkit server attaches exactly one ErrorDetail to every failure. An error without a detail comes from a socket,
 * a proxy, or a message that was cut off. Such an error is retryable, unless its code says that a server understood the
 * request and refused it.
 */
export function toStreamkitError(thrown: unknown, signal?: AbortSignal): StreamkitError {
  if (thrown instanceof StreamkitError) return thrown;
  if (signal?.aborted) return canceled(signal);
  if (thrown instanceof WireFormatError) return dataLoss(`the server sent a malformed batch: ${thrown.message}`);
  const error = ConnectError.from(thrown, Code.Unavailable);
  const detail = error.findDetails(ErrorDetailSchema)[0];
  return detail === undefined ? withoutDetail(error) : withDetail(error, detail);
}

function withDetail(error: ConnectError, detail: ErrorDetail): StreamkitError {
  const name = ErrorReason[detail.reason] as keyof typeof ErrorReason | undefined;
  // This version may not know the reason. The code and `retryable` still say what to do.
  const reason = name === undefined || name === "UNSPECIFIED" ? reasonOfCode(error.code) : reasonOf(name);
  const facts: { -readonly [K in keyof StreamkitErrorFacts]: StreamkitErrorFacts[K] } = {
    // A request that is too large stays too large, and a caller without rights stays without them.
    retryable: detail.retryable && !reason.endsWith("_TOO_LARGE") && error.code !== Code.PermissionDenied,
    fieldViolations: detail.fieldViolations.map(({ field, description }) => ({ field, description })),
    cause: error,
  };
  if (detail.segment !== "") facts.segment = detail.segment;
  if (detail.retryAfter !== undefined) facts.retryAfterMillis = durationMillis(detail.retryAfter);
  if (detail.reason === ErrorReason.SEQUENCE_MISMATCH) {
    facts.expectedLastSequence = Number(detail.expectedLastSequence);
    facts.actualLastSequence = Number(detail.actualLastSequence);
  }
  return new StreamkitError(reason, nameOf(error.code), error.rawMessage, facts);
}

/** CANCELED is for the caller's own signal. A server reports CANCELED when it lost the connection of a call. */
function reasonOf(name: Exclude<keyof typeof ErrorReason, "UNSPECIFIED">): StreamkitErrorReason {
  return name === "CANCELED" ? "CONNECTION_LOST" : name;
}

function withoutDetail(error: ConnectError): StreamkitError {
  const mistake = mistakeOf(error);
  if (mistake !== undefined) {
    return new StreamkitError(mistake.reason, nameOf(error.code), mistake.message, { cause: error });
  }
  const reason = isCalming(error) ? "CONNECTION_LOST" : reasonOfCode(error.code);
  const retryable = reason === "CONNECTION_LOST";
  return new StreamkitError(reason, nameOf(error.code), textOfOutage(error), { retryable, cause: error });
}

/**
 * True for a reset of HTTP/2 with ENHANCE_YOUR_CALM. Its connection had too much to do; another connection may work.
 */
function isCalming(error: ConnectError): boolean {
  return error.code === Code.ResourceExhausted && error.rawMessage.includes("ENHANCE_YOUR_CALM");
}

function reasonOfCode(code: Code): StreamkitErrorReason {
  switch (code) {
    case Code.Unauthenticated:
      return "UNAUTHENTICATED";
    case Code.PermissionDenied:
      return "PERMISSION_DENIED";
    case Code.NotFound:
      return "NOT_FOUND";
    case Code.Unimplemented:
      return "UNIMPLEMENTED";
    case Code.DataLoss:
      return "DATA_LOSS";
    case Code.ResourceExhausted:
    case Code.FailedPrecondition:
    case Code.AlreadyExists:
    case Code.OutOfRange:
      return "UNKNOWN";
    // Connect reports a truncated message as Internal or InvalidArgument, and a peer's reset as Canceled or Aborted.
    case Code.Internal:
    case Code.InvalidArgument:
    case Code.Canceled:
    case Code.Aborted:
    case Code.Unavailable:
    case Code.DeadlineExceeded:
    case Code.Unknown:
      return "CONNECTION_LOST";
  }
}

/** The code's name in errors, such as `not_found` for `NotFound`. */
function nameOf(code: Code): StreamkitErrorCode {
  return (Code[code] ?? "Unknown").replace(/\B[A-Z]/g, "_$&").toLowerCase() as StreamkitErrorCode;
}
