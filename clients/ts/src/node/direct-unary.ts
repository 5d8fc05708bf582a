import type { OutgoingHttpHeaders } from "node:http2";
import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import {
  appendHeaders,
  type ConnectError,
  createContextValues,
  type Interceptor,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import {
  createMethodSerializationLookup,
  createMethodUrl,
  runUnaryCall,
  validateReadWriteMaxBytes,
} from "@connectrpc/connect/protocol";
import {
  errorFromJsonBytes,
  requestHeader,
  trailerDemux,
  validateResponseWithCompression,
} from "@connectrpc/connect/protocol-connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { areSteady } from "../transport/steady-headers.ts";
import { encodeMessage } from "../wire/encode-message.ts";
import { type AnswerHeaders, type ExchangedAnswer, exchange } from "./exchange.ts";

/** The options of Connect's transport that matter to unary calls in binary, without compression. */
export interface DirectUnaryOptions {
  readonly baseUrl: string;
  readonly sessionManager: Http2SessionManager;
  readonly interceptors: readonly Interceptor[];
  readonly readMaxBytes: number;
}

const TIMEOUT_HEADER = "connect-timeout-ms";

/**
 * Unary calls of the Connect protocol in binary over HTTP/2: the bytes of a message go into a stream, and the bytes of
 * the answer come out. Same requests and errors as Connect's transport (clients/ts/test/direct-unary.int.test.ts),
 * whose iterators, headers and abort signals took half of the time of a small call. With interceptors, Connect runs
 * them around the same exchange.
 *
 * Unnecessary once the transport of Connect reads and writes unary messages as bytes, and makes headers and abort
 * signals only for calls that use them.
 */
export function directUnary(options: DirectUnaryOptions): Transport["unary"] {
  const { baseUrl, sessionManager, interceptors, readMaxBytes } = options;
  const limits = validateReadWriteMaxBytes(readMaxBytes, undefined, undefined);
  const targets = new Map<DescMethod, ReturnType<typeof targetOf>>();
  const targetOf = (method: DescMethod) => {
    const url = createMethodUrl(baseUrl, method);
    const { pathname, search } = new URL(url);
    const serialization = createMethodSerializationLookup(method, undefined, undefined, limits);
    return { url, path: pathname + search, output: serialization.getO(true) };
  };
  const headersOf = (header?: HeadersInit) => toNodeHeaders(requestHeader("unary", true, undefined, header, true));
  const plainHeaders = headersOf();
  const steady = new WeakMap<object, OutgoingHttpHeaders>();
  const withHeader = (header: HeadersInit) => {
    const known = steady.get(header) ?? headersOf(header);
    if (areSteady(header)) steady.set(header, known);
    return known;
  };

  return async (method, signal, timeoutMs, header, message, contextValues) => {
    type Response = UnaryResponse<typeof method.input, typeof method.output>;
    let target = targets.get(method);
    if (target === undefined) {
      target = targetOf(method);
      targets.set(method, target);
    }
    const { url, path, output } = target;
    const timeoutMillis = timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined;
    const send = async (
      headers: OutgoingHttpHeaders,
      body: Uint8Array,
      rest: { readonly signal: AbortSignal | undefined; readonly timeoutMillis: number | undefined },
    ): Promise<Response> => {
      let failure: ConnectError | undefined;
      const check = (found: AnswerHeaders) => {
        failure = isPlain(found) ? undefined : failureOf(found);
      };
      const answer = await exchange({ sessionManager, path, headers, body, readMaxBytes, check, ...rest });
      if (failure !== undefined) throw errorOf(answer, failure);
      return responseOf(method, answer, output.parse(answer.body) as MessageShape<DescMessage>) as Response;
    };
    if (interceptors.length === 0) {
      const known = header === undefined ? plainHeaders : withHeader(header);
      const headers = timeoutMillis === undefined ? known : { ...known, [TIMEOUT_HEADER]: timeoutMillis };
      return await send(headers, encodeMessage(method.input, message), { signal, timeoutMillis });
    }
    return await runUnaryCall<typeof method.input, typeof method.output>({
      interceptors: [...interceptors],
      signal,
      timeoutMs: timeoutMillis,
      req: {
        stream: false,
        service: method.parent,
        method,
        requestMethod: "POST",
        url,
        header: requestHeader("unary", true, timeoutMillis, header, true),
        contextValues: contextValues ?? createContextValues(),
        message,
      },
      next: (request: UnaryRequest<typeof method.input, typeof method.output>) =>
        send(toNodeHeaders(request.header), encodeMessage(method.input, request.message), {
          signal: request.signal,
          timeoutMillis: undefined,
        }),
    });
  };
}

/** True for the head of an answer that is the message of a call that succeeded. */
function isPlain(headers: AnswerHeaders): boolean {
  return (
    headers[":status"] === 200 &&
    headers["content-type"] === "application/proto" &&
    headers["content-encoding"] === undefined
  );
}

/** The error that the body of an answer tells more of; undefined for a success. Throws for all other answers. */
function failureOf(headers: AnswerHeaders): ConnectError | undefined {
  const status = headers[":status"] ?? 0;
  const { isUnaryError, unaryError } = validateResponseWithCompression(
    "unary",
    [],
    true,
    status,
    toWebHeaders(headers),
  );
  return isUnaryError ? unaryError : undefined;
}

function errorOf({ headers, body }: ExchangedAnswer, fallback: ConnectError): ConnectError {
  const [header, trailer] = trailerDemux(toWebHeaders(headers));
  return errorFromJsonBytes(body as Uint8Array<ArrayBuffer>, appendHeaders(header, trailer), fallback);
}

/** A response that makes its headers when they are looked at. */
function responseOf(method: DescMethod, { headers }: ExchangedAnswer, message: MessageShape<DescMessage>) {
  let parts: [header: Headers, trailer: Headers] | undefined;
  const demuxed = () => {
    parts ??= trailerDemux(toWebHeaders(headers));
    return parts;
  };
  return {
    stream: false,
    service: method.parent,
    method,
    message,
    get header() {
      return demuxed()[0];
    },
    get trailer() {
      return demuxed()[1];
    },
  } as const;
}

function toWebHeaders(headers: AnswerHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":")) continue;
    for (const item of Array.isArray(value) ? value : [value]) result.append(name, String(item));
  }
  return result;
}

function toNodeHeaders(headers: Headers): OutgoingHttpHeaders {
  return Object.fromEntries(headers);
}
