import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";

/**
 * A GET of Connect as the POST that it stands for, so that it is read, checked and answered in the same way: the message is in the
 * query (https://connectrpc.com/docs/protocol#unary-get-request). Every other request as it is.
 */
export function asPost(request: UniversalServerRequest, { method }: UniversalHandler): UniversalServerRequest {
  if (request.method !== "GET" || method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return request;
  const query = new URL(request.url).searchParams;
  const header = new Headers(request.header);
  // What the query cannot be read as reaches the client as the failure of reading the body, as JSON.
  header.set("content-type", query.get("encoding") === "proto" ? "application/proto" : "application/json");
  header.delete("content-length");
  header.delete("content-encoding");
  const compression = query.get("compression");
  if (compression !== null && compression !== "") header.set("content-encoding", compression);
  return { ...request, method: "POST", header, body: messageOf(query) };
}

async function* messageOf(query: URLSearchParams): AsyncGenerator<Uint8Array> {
  const encoding = query.get("encoding");
  if (encoding !== "json" && encoding !== "proto") {
    throw unreadable(`encoding is ${encoding === null ? "missing" : "unknown"}; expected json or proto`);
  }
  const message = query.get("message");
  if (message === null) throw unreadable("message is missing; expected the encoded request");
  if (query.get("base64") !== "1") {
    yield Buffer.from(message);
    return;
  }
  if (!/^[\w+/-]*={0,2}$/.test(message)) throw unreadable("message is not base64");
  yield Buffer.from(message, "base64url");
}

function unreadable(problem: string): ConnectError {
  return new ConnectError(`the query cannot be read: ${problem}`, Code.InvalidArgument);
}
