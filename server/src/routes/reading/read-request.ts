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

/** The headers and flags with which a protocol writes its messages. */
interface Framing {
  readonly json: boolean;
  /**
   * Names of the header with the compression of the request, and of the header with the compressions that the answer
   * may use.
   */
  readonly encoding: string;
  readonly acceptEncoding: string;
  /** Flag of the envelope that ends the stream. Absent if the protocol has no envelopes. */
  readonly endFlag?: number;
}

/**
 * Puts a reader before a handler. The reader checks sizes, counts, compression, text and deadlines before Connect
 * creates any objects, in the same way for every protocol, format and way of embedding. A refusal fails the body of the
 * request, and Connect passes that failure on to the client.
 *
 * Answers are never compressed, because entries leave as the bytes that are stored.
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
        // A body that was cut off can look malformed or complete. The reason of the abort is the true failure.
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

/** Returns the chunks of a body. A body that a parser of the application has already parsed becomes text again. */
function bytesOf(body: UniversalServerRequest["body"]): AsyncIterator<Uint8Array> {
  if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) return body[Symbol.asyncIterator]();
  return once(Buffer.from(JSON.stringify(body)));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function unknownCompression(name: string, { acceptEncoding }: Framing): ConnectError {
  const message = `the request has compression "${name}"; expected ${GZIP} or none`;
  const error = new ConnectError(message, Code.Unimplemented, { [acceptEncoding]: GZIP });
  return withDetail(error, ErrorReason.UNIMPLEMENTED);
}
