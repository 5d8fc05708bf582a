import { Code, type ConnectError } from "@connectrpc/connect";
import { systemMistake } from "#errors/system-mistake";
import type { StreamkitErrorReason } from "./error.ts";

/** A failure that repeats until an operator changes an address, a certificate or a set-up. */
export interface Mistake {
  readonly reason: StreamkitErrorReason;
  /** Says what happened, and what to do. */
  readonly message: string;
}

/**
 * Recognises lasting failures below the protocol: error codes of the platform, and answers of servers other than
 * Streamkit.
 */
export function mistakeOf(error: ConnectError): Mistake | undefined {
  const answer = answerOf(error);
  if (answer !== undefined) return answer;
  for (let cause: unknown = error.cause, depth = 0; cause instanceof Error && depth < 5; depth++) {
    const message = systemMistake(cause);
    if (message !== undefined) return { reason: "MISCONFIGURED", message };
    cause = cause.cause;
  }
  return undefined;
}

/** The messages of browsers and of Node.js when fetch gets no answer. */
const FETCH_FAILED = /^(Failed to fetch|NetworkError when attempting to fetch resource\.?|Load failed|fetch failed)$/;

/** The message of a call without an answer. */
export function textOfOutage(error: ConnectError): string {
  const { rawMessage } = error;
  if (error.code === Code.DeadlineExceeded) return "no answer in time";
  if (!FETCH_FAILED.test(rawMessage)) return rawMessage;
  // Node.js gives the reason as the cause; browsers give none.
  const { cause } = (error.cause ?? {}) as { cause?: unknown };
  if (cause instanceof Error) return cause.message;
  return `${rawMessage}: the browser got no answer. The server or the network may be down, the certificate untrusted, or the call blocked by a Content-Security-Policy (connect-src) or an extension`;
}

/** Statuses of HTTP that may pass, or that have an error reason of their own. */
const PASSING_STATUSES = new Set([401, 403, 408, 425, 429]);

/** Recognises an answer outside of Connect's protocol. Connect reports such answers by these texts alone. */
function answerOf({ rawMessage, metadata }: ConnectError): Mistake | undefined {
  const type = /^unsupported content type (.*)$/s.exec(rawMessage)?.[1];
  if (type !== undefined) return notStreamkit(type === "null" ? "with no content type" : `with ${type}`);
  const status = Number(/^HTTP (\d{3})$/.exec(rawMessage)?.[1]);
  // A Streamkit server that cannot serve gRPC explains it in this header.
  const said = metadata.get("grpc-message");
  if (status === 415 && said !== null) return { reason: "MISCONFIGURED", message: decodeMessage(said) };
  if (status === 413) {
    const message =
      "a server on the way refuses a request of this size (HTTP 413): raise its limit, or write less at once";
    return { reason: "REQUEST_TOO_LARGE", message };
  }
  if (!(status < 500 || status === 501 || status === 505) || PASSING_STATUSES.has(status)) return undefined;
  const location = metadata.get("location");
  return notStreamkit(`HTTP ${status}${location === null ? "" : ` with a redirect to ${location}`}`);
}

/** Decodes a message, which gRPC percent-encodes. Returns a malformed message as it is. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function notStreamkit(answer: string): Mistake {
  const message = `no Streamkit at this address: another server answered ${answer}. Check host, port and path`;
  return { reason: "MISCONFIGURED", message };
}
