import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { type AllowedOrigins, corsAnswer } from "./cors-rules.ts";

/**
 * Answers a request of Node's http, https or http2 server.
 *
 * @param next goes on to the next middleware, in frameworks that have such; servers of Node give none
 */
export type RequestListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  next?: () => void,
) => void;

/**
 * An application that answers what is none of Streamkit's: anything that a server of Node.js can call, also for one
 * version of HTTP only.
 */
export type Fallback = (
  request: IncomingMessage & Http2ServerRequest,
  response: ServerResponse & Http2ServerResponse,
) => void;

/** Lets pages of allowed origins read the response. True if the request was a preflight, which is answered then. */
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
