/** Translates the errors of NATS and its client library. No other file knows them. */
import { connectionError } from "../remote/connection-error.ts";

/**
 * The error to report for a failure: it names the problem and the remedy.
 *
 * The original error does not become the cause, since it may hold secrets.
 */
export function busError(server: string, error: unknown): Error {
  // Compare by name: the client library is only loaded when a bus is made.
  switch (error instanceof Error ? error.name : undefined) {
    case "AuthorizationError":
      return new Error(`${server} refused the credentials; check user and password, or token, of the URL`);
    case "UserAuthenticationExpiredError":
      return new Error(`${server} refused the credentials, which have expired; put valid ones into the URL`);
    case "PermissionViolationError":
      return new Error(
        `${server} denies this user a permission that a bus needs; allow it to publish and to subscribe to all subjects that ` +
          "begin with the prefix and a dot",
      );
    case "ProtocolError":
      return new Error(`${server} ended the connection: ${textOf(error as Error)}`);
    case "ConnectionError":
      // An error with a cause stands for a network failure.
      if ((error as Error).cause !== undefined) return connectionError(server, error);
      return new Error(`${server} cannot be used: ${textOf(error as Error)}`);
    default:
      return connectionError(server, error);
  }
}

/** The message of a NATS error if it consists of plain words, which hold no secret; "an error" otherwise. */
function textOf({ message }: Error): string {
  return /^[A-Za-z' ]+$/.test(message) ? message : "an error";
}
