import { Code, type ConnectError } from "@connectrpc/connect";
import type { StreamkitErrorReason } from "./error.ts";

/** A failure that repeats until an operator changes an address, a certificate or a set-up. */
export interface Mistake {
  readonly reason: StreamkitErrorReason;
  /** Says what happened, and what to do. */
  readonly message: string;
}

/**
 * Recognises lasting failures below the protocol: error codes of Node.js, OpenSSL, llhttp and undici, and answers of
 * servers other than Streamkit. This is the only place that knows these codes.
 */
export function mistakeOf(error: ConnectError): Mistake | undefined {
  const answer = answerOf(error);
  if (answer !== undefined) return answer;
  for (let cause: unknown = error.cause, depth = 0; cause instanceof Error && depth < 5; depth++) {
    const message = cause.name === "HTTPParserError" ? ofUndici(cause.message) : ofSystem(codeOf(cause), cause.message);
    if (message !== undefined) return { reason: "MISCONFIGURED", message };
    cause = cause.cause;
  }
  return undefined;
}

/** True if DNS does not know the host. The name may be wrong, or the host may not exist yet. */
export function isUnknownHost(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; depth++) {
    if ((cause as { code?: unknown }).code === "ENOTFOUND") return true;
    cause = cause.cause;
  }
  return false;
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

const EXPIRED = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "CRL_HAS_EXPIRED", "CRL_NOT_YET_VALID"]);
const UNTRUSTED = new Set([
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "UNABLE_TO_GET_CRL",
  "CERT_SIGNATURE_FAILURE",
  "CERT_CHAIN_TOO_LONG",
  "CERT_REVOKED",
  "CERT_REJECTED",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
]);
/** Messages of OpenSSL for an answer that is not TLS. */
const NOT_TLS = /wrong version number|packet length too long|unknown protocol|http request/;

function codeOf(error: Error): unknown {
  return (error as { code?: unknown }).code;
}

/** The message for an error of undici's HTTP/1.1 parser, whose errors have a name and often no code. */
function ofUndici(text: string): string {
  return `the server does not answer in HTTP/1.1 (${firstPart(text)}): check the port. A server that speaks HTTP/2 alone is out of reach of fetch without TLS: use @streamkit/client/node`;
}

function ofSystem(code: unknown, text: string): string | undefined {
  if (typeof code !== "string") return undefined;
  if (UNTRUSTED.has(code)) {
    return `the certificate of the server is not trusted: ${firstPart(text)} (${code}). Pass the certificate of its authority as nodeOptions.ca of the transport, or in NODE_EXTRA_CA_CERTS`;
  }
  if (EXPIRED.has(code)) {
    return `the certificate of the server is not valid now: ${firstPart(text)} (${code}). Renew it, or set the clock of this machine`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH") {
    return `the certificate of the server is for another name: ${text}. Use a name of the certificate in the address`;
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    const reason = /SSL routines:[^:]*:([^:]+)/.exec(text)?.[1] ?? firstPart(text);
    if (NOT_TLS.test(reason)) return "the server does not speak TLS on this port: use an address with http://";
    return `the TLS handshake failed: ${reason} (${code})`;
  }
  if (code.startsWith("HPE_")) {
    return `the server does not answer in HTTP/1.1 (${firstPart(text)}): check the port, or leave out httpVersion`;
  }
  if (code === "ERR_INVALID_CHAR" || code === "ERR_HTTP_INVALID_HEADER_VALUE" || code === "ERR_INVALID_HTTP_TOKEN") {
    return `an interceptor or option made a header that HTTP does not allow: ${text}`;
  }
  return undefined;
}

/** The text without the advice that Node.js adds. */
function firstPart(text: string): string {
  return text.split(";", 1)[0].trim();
}
