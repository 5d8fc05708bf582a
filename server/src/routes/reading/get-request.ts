import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";

/**
 * Turns a GET of Connect into the equivalent POST, so that the same code reads, checks and answers it. The message is
 * in the query: https://connectrpc.com/docs/protocol#unary-get-request. Returns every other request unchanged.
 */
export function asPost(request: UniversalServerRequest, { method }: UniversalHandler): UniversalServerRequest {
  if (request.method !== "GET" || method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return request;
  const query = parseQuery(request.url);
  const header = new Headers(request.header);
  // If the query cannot be read, the body fails, and Connect reports that failure to the client as JSON.
  header.set("content-type", textOf(query, "encoding") === "proto" ? "application/proto" : "application/json");
  header.delete("content-length");
  header.delete("content-encoding");
  const compression = textOf(query, "compression");
  // A name that no header can carry is not the name of a compression either.
  if (compression) header.set("content-encoding", /^[\w.+-]+$/.test(compression) ? compression : "unknown");
  return { ...request, method: "POST", header, body: messageOf(query) };
}

type Query = ReadonlyMap<string, Buffer>;

async function* messageOf(query: Query): AsyncGenerator<Uint8Array> {
  const encoding = textOf(query, "encoding");
  if (encoding !== "json" && encoding !== "proto") {
    throw unreadable(`encoding is ${encoding === undefined ? "missing" : "unknown"}; expected json or proto`);
  }
  const message = query.get("message");
  if (message === undefined) throw unreadable("message is missing; expected the encoded request");
  if (textOf(query, "base64") !== "1") {
    yield message;
    return;
  }
  const text = message.toString("latin1");
  if (!/^[\w+/-]*={0,2}$/.test(text)) throw unreadable("message is not base64");
  yield Buffer.from(text, "base64url");
}

function textOf(query: Query, name: string): string | undefined {
  return query.get(name)?.toString();
}

/** Returns the parameters of a URL as bytes. URLSearchParams would silently replace text that is not UTF-8. */
function parseQuery(url: string): Query {
  const parameters = new Map<string, Buffer>();
  const start = url.indexOf("?");
  for (const part of start < 0
    ? []
    : url
        .slice(start + 1)
        .split("#", 1)[0]
        .split("&")) {
    const equals = part.indexOf("=");
    const name = equals < 0 ? part : part.slice(0, equals);
    if (!parameters.has(name)) parameters.set(name, percentDecoded(equals < 0 ? "" : part.slice(equals + 1)));
  }
  return parameters;
}

function percentDecoded(text: string): Buffer {
  const encoded = Buffer.from(text.replaceAll("+", " "));
  const decoded = Buffer.alloc(encoded.length);
  let length = 0;
  for (let at = 0; at < encoded.length; at++) {
    const hex = encoded[at] === 0x25 ? encoded.toString("latin1", at + 1, at + 3) : "";
    const isEscape = /^[0-9a-fA-F]{2}$/.test(hex);
    decoded[length++] = isEscape ? Number.parseInt(hex, 16) : encoded[at];
    if (isEscape) at += 2;
  }
  return decoded.subarray(0, length);
}

function unreadable(problem: string): ConnectError {
  return new ConnectError(`the query cannot be read: ${problem}`, Code.InvalidArgument);
}
