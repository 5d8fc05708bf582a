import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { type AllowedOrigins, corsAnswer } from "./cors-rules.ts";

/**
 * Answers a request of Node's http, https or http2 server.
 *
 * @param next passes the request to the next middleware; only frameworks give it, a server of Node does not
 */
export type RequestListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  next?: () => void,
) => void;

/**
 * An application that answers the paths that Streamkit does not have. Any listener of a server of Node fits, also one
 * for a single version of HTTP.
 */
export type Fallback = (
  request: IncomingMessage & Http2ServerRequest,
  response: ServerResponse & Http2ServerResponse,
) => void;

/** Sets the CORS headers of a response. Returns true if the request is a preflight; the response has then ended. */
export function applyCors(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  allowed: AllowedOrigins | undefined,
): boolean {
  const { headers, preflight } = corsAnswer({ method: request.method, origin: request.headers.origin }, allowed);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (!preflight) return false;
  response.statusCode = 204;
  response.end();
  return true;
}
