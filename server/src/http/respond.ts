import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { discardRest, isUnfinished, resetWhenAnswered } from "./finish-request.ts";

/** Parts up to this size fit into the buffer of a response, so even a slow client does not delay them. */
const SMALL_BYTES = 8 * 1024;

/**
 * Writes the response of a call. The headers leave with the first part of the body, because the implementation may set
 * headers until then. A client that reads slowly pauses the implementation.
 *
 * @throws Error if the client went away before it had the whole response
 */
export async function respond(
  answer: UniversalServerResponse,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): Promise<void> {
  const body = answer.body?.[Symbol.asyncIterator]();
  try {
    let part = await body?.next();
    if (isGone(response)) return;
    const headers = toNodeHeaders(answer.header);
    if (isUnfinished(request)) {
      if ("stream" in request) resetWhenAnswered(request);
      else headers.connection = "close";
    }
    (response as ServerResponse).writeHead(answer.status, headers);
    if (part?.done === false && isAll(part.value, answer) && headers.connection !== "close") {
      (response as ServerResponse).end(part.value);
      return;
    }
    while (part !== undefined && part.done !== true) {
      if (!(response as ServerResponse).write(part.value)) await drained(response);
      part = await body?.next();
    }
    if (answer.trailer !== undefined) response.addTrailers(toNodeHeaders(answer.trailer) as never);
    if (headers.connection === "close") await discardRest(request as IncomingMessage);
    response.end();
  } finally {
    await body?.return?.();
  }
}

/** True if nobody gets the rest of a response. A response of HTTP/2 has no such state; its stream has it. */
export function isGone(response: ServerResponse | Http2ServerResponse): boolean {
  return "stream" in response
    ? response.stream.destroyed || response.stream.closed
    : response.destroyed || response.closed;
}

/** True if a small part is the whole body. The part then leaves together with the end of the response. */
function isAll(part: Uint8Array, { header, trailer }: UniversalServerResponse): boolean {
  if (trailer !== undefined || part.byteLength > SMALL_BYTES) return false;
  return header?.get("content-length") === String(part.byteLength);
}

/** Resolves when the client has read enough for more; rejects if the connection ends. */
function drained(response: ServerResponse | Http2ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const off = () => {
      response.off("drain", onDrain);
      response.off("close", onGone);
      response.off("error", onGone);
    };
    const onDrain = () => {
      off();
      resolve();
    };
    const onGone = () => {
      off();
      reject(new Error("the client went away in the middle of the response"));
    };
    response.on("drain", onDrain);
    response.on("close", onGone);
    response.on("error", onGone);
    if (isGone(response)) onGone();
  });
}

function toNodeHeaders(headers: Headers = new Headers()): OutgoingHttpHeaders {
  const result: OutgoingHttpHeaders = {};
  for (const [name, value] of headers) {
    const earlier = result[name];
    result[name] = earlier === undefined ? value : [earlier as string, value].flat();
  }
  return result;
}
