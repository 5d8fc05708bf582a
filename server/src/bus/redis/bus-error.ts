/** Translates what Redis and the client library say. The only place that knows Redis's error codes. */
import { connectionError } from "../remote/connection-error.ts";

/** Whether Redis has answered a command with an error: all other failures are of the connection, and end it anyway. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/**
 * A failure as people are told of it, naming what to fix.
 *
 * Only the code of an answer is passed on, never its text or the error: these hold the command, which may be AUTH.
 */
export function busError(server: string, error: unknown): Error {
  if (!isReply(error)) return connectionError(server, error);
  const { message, command } = error as Error & { readonly command?: { readonly name: string } };
  const code = /^-?([A-Z]+)\b/.exec(message)?.[1] ?? "an error";
  switch (code) {
    case "WRONGPASS":
      return new Error(`${server} refused the credentials (${code}); check user and password of the URL`);
    case "NOAUTH":
      return new Error(`${server} wants credentials (${code}); give user and password in the URL`);
    case "NOPERM":
      return new Error(
        `${server} does not let this user do what a bus does (${code}); allow it PUBLISH, SUBSCRIBE and UNSUBSCRIBE on all ` +
          "channels that begin with the prefix",
      );
    default:
      return new Error(`${server} refused ${command?.name.toUpperCase() ?? "a command"} (${code})`);
  }
}
