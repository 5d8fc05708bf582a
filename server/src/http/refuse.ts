import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { discardRest, isUnfinished, resetWhenAnswered } from "./finish-request.ts";

const CODES: Readonly<Record<number, string>> = {
  400: "invalid_argument",
  403: "permission_denied",
  500: "internal",
  503: "unavailable",
};

/**
 * Refuses a request before it reaches a method. The body is a Connect error. A gRPC client maps the HTTP status to a
 * code.
 */
export async function refuse(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  status: number,
  message: string,
): Promise<void> {
  const body = Buffer.from(JSON.stringify({ code: CODES[status] ?? "unknown", message }));
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", body.byteLength);
  if ("stream" in request) {
    resetWhenAnswered(request);
  } else if (isUnfinished(request)) {
    response.setHeader("connection", "close");
    (response as ServerResponse).write(body);
    await discardRest(request);
    response.end();
    return;
  }
  (response as ServerResponse).end(body);
}
