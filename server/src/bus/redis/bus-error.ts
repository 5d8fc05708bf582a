/** Translates the errors of Redis and its client library. No other file knows Redis's error codes. */
import { connectionError } from "../remote/connection-error.ts";

/** True if Redis answered a command with an error. Every other failure is one of the connection, and ends it anyway. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/**
 * The error to report for a failure: it names the problem and the remedy.
 *
 * It passes on the code of an answer, but neither its text nor the original error. Those hold the command, which may be
 * AUTH.
 */
export function busError(server: string, error: unknown): Error {
  if (!isReply(error)) return connectionError(server, error);
  const { message, command } = error as Error & { readonly command?: { readonly name: string } };
  const code = /^-?([A-Z]+)\b/.exec(message)?.[1] ?? "an error";
  switch (code) {
    case "WRONGPASS":
      return new Error(`${server} refused the credentials (${code}); check user and password of the URL`);
    case "NOAUTH":
      return new Error(`${server} requires credentials (${code}); give user and password in the URL`);
    case "NOPERM":
      return new Error(
        `${server} denies this user a permission that a bus needs (${code}); allow it PUBLISH, SUBSCRIBE and UNSUBSCRIBE on all ` +
          "channels that begin with the prefix",
      );
    default:
      return new Error(`${server} refused ${command?.name.toUpperCase() ?? "a command"} (${code})`);
  }
}
