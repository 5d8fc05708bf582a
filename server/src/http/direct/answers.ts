import type { OutgoingHttpHeaders } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes, trailerMux } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { DirectContext } from "./context.ts";
import type { Format } from "./format.ts";
import type { Framing } from "./framing.ts";

/** An answer with the size of its body in bytes. */
export interface Answer extends UniversalServerResponse {
  readonly bytes: number;
}

/** An answer that leaves in one piece, in the form that Node takes. */
export interface WholeAnswer {
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
  readonly trailers?: OutgoingHttpHeaders;
}

const CONNECT_TYPES: Readonly<Record<Format, string>> = { binary: "application/proto", json: "application/json" };
const GRPC_HEADERS = { "content-type": "application/grpc+proto" };
const GRPC_OK = { "grpc-status": "0" };

/** Returns the answer of a successful call that set no headers, without objects for headers. */
export function answerWhole({ protocol, format }: Framing, message: Uint8Array): WholeAnswer {
  if (protocol === "grpc") return { headers: GRPC_HEADERS, body: encodeEnvelope(0, message), trailers: GRPC_OK };
  return {
    headers: { "content-type": CONNECT_TYPES[format], "content-length": message.byteLength },
    body: message,
  };
}

/** Returns the answer of a successful call. */
export function answerMessage({ protocol, format }: Framing, context: DirectContext, message: Uint8Array): Answer {
  const { responseHeader, responseTrailer } = context;
  if (protocol === "connect") return unary(200, CONNECT_TYPES[format], message, context);
  responseHeader.set("content-type", "application/grpc+proto");
  responseTrailer.set("grpc-status", "0");
  const body = encodeEnvelope(0, message);
  return { status: 200, header: responseHeader, body: once(body), trailer: responseTrailer, bytes: body.length };
}

/** Returns the answer of a failed call. */
export function answerError({ protocol }: Framing, context: DirectContext, error: ConnectError): Answer {
  const { responseHeader, responseTrailer } = context;
  if (protocol === "connect") {
    for (const [name, value] of error.metadata) responseHeader.append(name, value);
    return unary(codeToHttpStatus(error.code), "application/json", errorToJsonBytes(error, undefined), context);
  }
  responseHeader.set("content-type", "application/grpc+proto");
  setTrailerStatus(responseTrailer, error);
  return { status: 200, header: responseHeader, body: once(), trailer: responseTrailer, bytes: 0 };
}

function unary(status: number, type: string, body: Uint8Array, context: DirectContext): Answer {
  context.responseHeader.set("content-type", type);
  const header = trailerMux(context.responseHeader, context.responseTrailer);
  header.set("content-length", String(body.byteLength));
  return { status, header, body: once(body), bytes: body.byteLength };
}

/** Returns an iterable of the parts. A generator would create more promises. */
function once(...parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  let at = 0;
  const next = async (): Promise<IteratorResult<Uint8Array>> =>
    at < parts.length ? { done: false, value: parts[at++] } : { done: true, value: undefined };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}
