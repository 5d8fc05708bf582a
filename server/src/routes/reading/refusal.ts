import type { ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../errors.ts";
import { toConnectError } from "../connect-error.ts";

/** Returns the error INVALID_FIELD for a message that cannot be read. An empty `field` means the whole message. */
export function unreadable(description: string, field = ""): ConnectError {
  return refusal(ErrorReason.INVALID_FIELD, description, field);
}

/** Returns the error for a message that exceeds a limit, with the reason of the limit. */
export function refusal(reason: ErrorReason, description: string, field = ""): ConnectError {
  const message = field === "" ? `the request cannot be read: ${description}` : `${field}: ${description}`;
  return toConnectError(new ServerError(reason, message, { fieldViolations: [{ field, description }] }));
}

/**
 * Returns the error REQUEST_TOO_LARGE.
 *
 * @param limit most bytes that the method reads
 * @param found size of the message in bytes; undefined if it is unknown
 */
export function tooLarge(limit: number, found?: number): ConnectError {
  const size = found === undefined ? `more than ${limit} bytes` : `${found} bytes`;
  const description = `the message has ${size}; this method reads at most ${limit}`;
  return toConnectError(
    new ServerError(ErrorReason.REQUEST_TOO_LARGE, description, { fieldViolations: [{ field: "", description }] }),
  );
}
