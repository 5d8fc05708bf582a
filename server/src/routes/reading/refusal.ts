import type { ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../errors.ts";
import { toConnectError } from "../connect-error.ts";

/** Refuses a message that cannot be read: INVALID_FIELD. An empty `field` means the message as a whole. */
export function unreadable(description: string, field = ""): ConnectError {
  return refusal(ErrorReason.INVALID_FIELD, description, field);
}

/** Refuses a message with the reason that a limit has. */
export function refusal(reason: ErrorReason, description: string, field = ""): ConnectError {
  const message = field === "" ? `the request cannot be read: ${description}` : `${field}: ${description}`;
  return toConnectError(new ServerError(reason, message, { fieldViolations: [{ field, description }] }));
}

/** Refuses a message by its size, known or not. */
export function tooLarge(limit: number, found?: number): ConnectError {
  const size = found === undefined ? `more than ${limit} bytes` : `${found} bytes`;
  const description = `the message has ${size}; this method reads at most ${limit}`;
  return toConnectError(
    new ServerError(ErrorReason.REQUEST_TOO_LARGE, description, { fieldViolations: [{ field: "", description }] }),
  );
}
