import type { IncomingMessage } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";

/** How long the rest of an HTTP/1.1 request is thrown away so that its client can read the response. */
const LINGER_MILLIS = 1_000;
/** How much of it. */
const LINGER_BYTES = 16 * 1024 * 1024;

type Request = IncomingMessage | Http2ServerRequest;

/** Whether the client is still sending a body. */
export function isUnfinished(request: Request): boolean {
  return !request.complete;
}

/**
 * Throws away what an HTTP/1.1 client still sends, within limits, before its connection is closed: a connection that is
 * closed while bytes arrive is reset, and the client may lose the response.
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
 * Once an HTTP/2 response is out, asks the client to stop sending its request (RFC 9113, section 8.1): otherwise its
 * bytes take the window of the connection, which all its calls share.
 */
export function resetWhenAnswered(request: Http2ServerRequest): void {
  const { stream } = request;
  // Node asks for trailers, of which there may be none, when the body is out.
  stream.once("wantTrailers", () => {
    setImmediate(() => {
      if (isUnfinished(request) && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  });
}
