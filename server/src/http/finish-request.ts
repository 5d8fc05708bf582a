import type { IncomingMessage } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";

/**
 * Longest time for which the server discards the rest of an HTTP/1.1 request so that its client can read the response.
 */
const LINGER_MILLIS = 1_000;
/** Most bytes that the server discards of the rest of an HTTP/1.1 request. */
const LINGER_BYTES = 16 * 1024 * 1024;

type Request = IncomingMessage | Http2ServerRequest;

/** True while the client is still sending the request. */
export function isUnfinished(request: Request): boolean {
  return !request.complete;
}

/**
 * Reads and discards the rest of an HTTP/1.1 request before its connection closes, for at most LINGER_MILLIS and
 * LINGER_BYTES. Closing a connection while bytes arrive resets it, and the client may lose the response.
 */
export function discardRest(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const end = () => {
      clearTimeout(timer);
      request.off("data", count);
      resolve();
    };
    const count = (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
      if (bytes > LINGER_BYTES) end();
    };
    const timer = setTimeout(end, LINGER_MILLIS);
    request.once("end", end);
    request.once("close", end);
    request.removeAllListeners("readable");
    request.on("data", count);
    request.resume();
  });
}

/**
 * Asks the client to stop sending its request once the HTTP/2 response is out (RFC 9113, section 8.1). Otherwise the
 * rest of the request takes up the flow-control window of the connection, which all its calls share.
 */
export function resetWhenAnswered(request: Http2ServerRequest): void {
  const { stream } = request;
  // Node emits this event when the body is out, even for a response without trailers.
  stream.once("wantTrailers", () => {
    setImmediate(() => {
      if (isUnfinished(request) && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  });
}
