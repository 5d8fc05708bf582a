import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { discardRest, isUnfinished, resetWhenAnswered } from "./finish-request.ts";

/**
 * Writes the response of a call. Headers leave with the first part of the body, as the implementation may set some
 * until then. A client that reads slowly holds back the body.
 */
export async function respond(
  answer: UniversalServerResponse,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): Promise<void> {
  const body = answer.body?.[Symbol.asyncIterator]();
  try {
    let part = await body?.next();
    if (response.destroyed || response.closed) return;
    const headers = toNodeHeaders(answer.header);
    if ("stream" in request) resetWhenAnswered(request);
    else if (isUnfinished(request)) headers.connection = "close";
    (response as ServerResponse).writeHead(answer.status, headers);
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

/** Resolves when the client has taken enough, and fails when it is gone. */
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
    if (response.destroyed || response.closed) onGone();
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
