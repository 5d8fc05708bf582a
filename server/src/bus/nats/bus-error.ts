/** Translates what NATS and the client library say. The only place that knows NATS's errors. */
import { connectionError } from "../remote/connection-error.ts";

/**
 * A failure as people are told of it, naming what to fix.
 *
 * The error itself is not passed on as the cause: nobody knows what it holds.
 */
export function busError(server: string, error: unknown): Error {
  // By name: the client library is loaded when it is used only.
  switch (error instanceof Error ? error.name : undefined) {
    case "AuthorizationError":
      return new Error(`${server} refused the credentials; check user and password, or token, of the URL`);
    case "UserAuthenticationExpiredError":
      return new Error(`${server} says that the credentials have expired`);
    case "PermissionViolationError":
      return new Error(
        `${server} does not let this user do what a bus does; allow it to publish and to subscribe to all subjects that ` +
          "begin with the prefix and a dot",
      );
    case "ProtocolError":
      return new Error(`${server} ended the connection: ${textOf(error as Error)}`);
    case "ConnectionError":
      // With a cause, it stands for a failure of the network.
      if ((error as Error).cause !== undefined) return connectionError(server, error);
      return new Error(`${server} cannot be used: ${textOf(error as Error)}`);
    default:
      return connectionError(server, error);
  }
}

/** A text of NATS or of its client, if it is one of the plain ones. */
function textOf({ message }: Error): string {
  return /^[A-Za-z' ]+$/.test(message) ? message : "an error";
}
