import { IncomingMessage } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";

/**
 * True if an application answers HTTP/1.1 only. Express gives every request a prototype of `node:http`. A request of
 * HTTP/2 breaks with that prototype, in a later turn, where no code can catch the error.
 */
export function isHttp1Only(application: unknown): boolean {
  return typeof application === "function" && (application as { request?: unknown }).request instanceof IncomingMessage;
}

/** Asks the client to send the request again over HTTP/1.1 (RFC 9113, section 7). Browsers and curl do. */
export function requireHttp1({ stream }: Http2ServerRequest): void {
  stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED);
}
