import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { ErrorReason } from "@streamkit/protocol";
import { withDetail } from "../connect-error.ts";
import { maxRequestBytes } from "../request-limits.ts";
import { scanBinary } from "./binary-scan.ts";
import { clampDeadline } from "./deadline.ts";
import { checkedEnvelopes } from "./envelopes.ts";
import { asPost } from "./get-request.ts";
import { GZIP } from "./gunzip.ts";
import { scanJson } from "./json-scan.ts";
import { wholeBody } from "./whole-body.ts";

/** How a protocol writes its messages. */
interface Framing {
  readonly json: boolean;
  /** Header with the compression of the request, and the one that says which compressions may be used. */
  readonly encoding: string;
  readonly acceptEncoding: string;
  /** Set where messages have envelopes: the flag of the one that ends the stream. */
  readonly endFlag?: number;
}

/**
 * Puts a reader in front of a handler: sizes, counts, compression, text and deadlines of requests are checked before
 * Connect makes objects of them, alike for every protocol, format and way of embedding. What a request is refused for
 * reaches the client through Connect, as the failure of reading the body.
 *
 * Answers are never compressed: entries leave as the bytes that are stored.
 */
export function withRequestReader(handler: UniversalHandler): UniversalHandler {
  const limit = maxRequestBytes(`/${handler.service.typeName}/${handler.method.name}`);
  const single = handler.method.methodKind === "unary" || handler.method.methodKind === "server_streaming";
  const wrapped = (received: UniversalServerRequest) => {
    const request = asPost(received, handler);
    const { header } = request;
    clampDeadline(header);
    const framing = framingOf(header.get("content-type") ?? "");
    if (framing === undefined || request.method !== "POST") return handler(request);
    const requested = header.get(framing.encoding) ?? "identity";
    const announced = header.get("content-length");
    header.delete(framing.encoding);
    header.delete(framing.acceptEncoding);
    header.delete("content-length");
    const gzip = requested === GZIP;
    const source = bytesOf(request.body);
    const check = (message: Uint8Array) => {
      if (framing.json) scanJson(handler.method.input, message);
      else scanBinary(handler.method.input, message);
    };
    async function* read(): AsyncGenerator<Uint8Array> {
      if (!gzip && requested !== "identity") throw unknownCompression(requested, framing as Framing);
      try {
        if (framing?.endFlag !== undefined) {
          yield* checkedEnvelopes(source, { limit, gzip, endFlag: framing.endFlag, single, check });
        } else {
          const message = await wholeBody(source, { limit, gzip, announced, signal: request.signal });
          check(message);
          yield message;
        }
      } catch (error) {
        // A body that was cut off may be taken for a malformed one, or for a whole one.
        throw request.signal.aborted ? request.signal.reason : error;
      }
      request.signal.throwIfAborted();
    }
    return handler({ ...request, body: read() });
  };
  return Object.assign(wrapped, handler);
}

function framingOf(contentType: string): Framing | undefined {
  const type = contentType.toLowerCase();
  const json = type.includes("json");
  if (type.startsWith("application/grpc")) {
    const endFlag = type.startsWith("application/grpc-web") ? 0b1000_0000 : 0;
    return { json, endFlag, encoding: "grpc-encoding", acceptEncoding: "grpc-accept-encoding" };
  }
  if (type.startsWith("application/connect+")) {
    return {
      json,
      endFlag: 0b0000_0010,
      encoding: "connect-content-encoding",
      acceptEncoding: "connect-accept-encoding",
    };
  }
  if (type.startsWith("application/json") || type.startsWith("application/proto")) {
    return { json, encoding: "content-encoding", acceptEncoding: "accept-encoding" };
  }
  return undefined;
}

/** The chunks of a body. What an application has parsed already, as body parsers do, becomes text again. */
function bytesOf(body: UniversalServerRequest["body"]): AsyncIterator<Uint8Array> {
  if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) return body[Symbol.asyncIterator]();
  return once(Buffer.from(JSON.stringify(body)));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function unknownCompression(name: string, { acceptEncoding }: Framing): ConnectError {
  const message = `the request has compression "${name}"; expected ${GZIP}, or none`;
  const error = new ConnectError(message, Code.Unimplemented, { [acceptEncoding]: GZIP });
  return withDetail(error, ErrorReason.UNIMPLEMENTED);
}
