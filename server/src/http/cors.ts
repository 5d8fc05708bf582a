import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { cors } from "@connectrpc/connect";

/** Origins that may call from a browser: a list, or "*" for all. Absent: none but the server's own. */
export type AllowedOrigins = "*" | readonly string[];

export type RequestListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

const PREFLIGHT_CACHE_SECONDS = "7200";

/** Answers preflight requests, and lets browsers read responses, for allowed origins. */
export function withCors(listener: RequestListener, allowed: AllowedOrigins | undefined): RequestListener {
  if (allowed === undefined) return listener;
  return (request, response) => {
    const { origin } = request.headers;
    if (origin === undefined || !(allowed === "*" || allowed.includes(origin))) return listener(request, response);
    response.setHeader("access-control-allow-origin", allowed === "*" ? "*" : origin);
    if (allowed !== "*") response.setHeader("vary", "origin");
    if (request.method !== "OPTIONS") {
      response.setHeader("access-control-expose-headers", cors.exposedHeaders.join(", "));
      return listener(request, response);
    }
    response.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
    response.setHeader("access-control-allow-headers", [...cors.allowedHeaders, "authorization"].join(", "));
    response.setHeader("access-control-max-age", PREFLIGHT_CACHE_SECONDS);
    response.statusCode = 204;
    response.end();
  };
}

/**
 * True for a request from a page that may not call: its origin is neither the server's own nor allowed. Browsers send the requests of
 * such a page all the same, and only keep the responses from it. Other clients send no origin.
 *
 * @param authority what the request names as host, with or without port
 */
export function isForeignOrigin(
  origin: string | undefined,
  authority: string,
  allowed: AllowedOrigins | undefined,
): boolean {
  if (origin === undefined || allowed === "*" || allowed?.includes(origin)) return false;
  const scheme = /^(https?):/.exec(origin)?.[1];
  return scheme === undefined || URL.parse(`${scheme}://${authority}`)?.origin !== origin;
}
