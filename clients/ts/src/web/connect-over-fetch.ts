import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  appendHeaders,
  Code,
  ConnectError,
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type Transport,
} from "@connectrpc/connect";
import {
  createEnvelopeReadableStream,
  createMethodUrl,
  encodeEnvelope,
  runStreamingCall,
  runUnaryCall,
} from "@connectrpc/connect/protocol";
import {
  endStreamFlag,
  endStreamFromJson,
  errorFromJson,
  requestHeader,
  trailerDemux,
  validateResponse,
} from "@connectrpc/connect/protocol-connect";

/** Options of a transport over fetch. */
export interface FetchOptions {
  readonly baseUrl: string;
  readonly interceptors: Interceptor[];
  readonly fetch: typeof globalThis.fetch;
}

/**
 * The Connect protocol over fetch, with binary messages only. The transport of connect-web could do the same, but it
 * loads the JSON form of all messages, which would be a tenth of the page's code; see `other-protocols.ts`.
 */
export function connectOverFetch({ baseUrl, interceptors, fetch }: FetchOptions): Transport {
  const post = (url: string, headers: Headers, signal: AbortSignal, body: Uint8Array) =>
    fetch(url, { method: "POST", redirect: "error", headers, signal, body: body as Uint8Array<ArrayBuffer> });
  return {
    async unary(method, signal, timeoutMs, header, message, contextValues) {
      return runUnaryCall({
        interceptors,
        signal,
        timeoutMs,
        req: {
          stream: false,
          service: method.parent,
          method,
          requestMethod: "POST",
          url: createMethodUrl(baseUrl, method),
          header: requestHeader(method.methodKind, true, timeoutMs, header, false),
          contextValues: contextValues ?? createContextValues(),
          message,
        },
        async next(request) {
          const body = toBinary(method.input, request.message);
          const response = await post(request.url, request.header, request.signal, body);
          const { status, headers } = response;
          const { isUnaryError, unaryError } = validateResponse(method.methodKind, true, status, headers);
          const [leading, trailer] = trailerDemux(headers);
          if (isUnaryError) throw errorFromJson(await response.json(), appendHeaders(leading, trailer), unaryError);
          const answer = parse(method.output, new Uint8Array(await response.arrayBuffer()));
          return { stream: false, service: method.parent, method, header: leading, message: answer, trailer };
        },
      });
    },

    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const send = async (request: StreamRequest<typeof method.input, typeof method.output>) => {
        const first = await request.message[Symbol.asyncIterator]().next();
        if (method.methodKind !== "server_streaming" || first.done) {
          throw new ConnectError("fetch sends one message per call", Code.Unimplemented);
        }
        const body = encodeEnvelope(0, toBinary(method.input, first.value));
        const response = await post(request.url, request.header, request.signal, body);
        validateResponse(method.methodKind, true, response.status, response.headers);
        if (response.body === null) throw new ConnectError("the answer has no body", Code.Internal);
        const trailer = new Headers();
        const message = responses(method.output, response.body, response.headers, trailer);
        return { ...request, header: response.headers, trailer, message };
      };
      return runStreamingCall({
        // An interceptor, since connect-es 2.3.0 keeps 350 bytes per response of `next`. See node/unraced-streams.ts.
        interceptors: [...interceptors, () => (request) => send(request as Parameters<typeof send>[0])],
        signal,
        timeoutMs,
        req: {
          stream: true,
          service: method.parent,
          method,
          requestMethod: "POST",
          url: createMethodUrl(baseUrl, method),
          header: requestHeader(method.methodKind, true, timeoutMs, header, false),
          contextValues: contextValues ?? createContextValues(),
          message: input,
        },
        next: send,
      });
    },
  };
}

/** The messages of a streamed answer. Throws the error in its end, or an error if the end is missing. */
async function* responses<O extends DescMessage>(
  schema: O,
  body: ReadableStream<Uint8Array>,
  headers: Headers,
  trailer: Headers,
): AsyncGenerator<MessageShape<O>> {
  const reader = createEnvelopeReadableStream(body).getReader();
  let ended = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if ((value.flags & endStreamFlag) === 0) {
      // Flag 1 would mean compression, which this transport does not ask for.
      if (value.flags !== 0) throw new ConnectError(`unsupported flags ${value.flags} of a message`, Code.Internal);
      yield parse(schema, value.data);
      continue;
    }
    ended = true;
    const { error, metadata } = endStreamFromJson(value.data);
    if (error !== undefined) {
      headers.forEach((text, name) => {
        error.metadata.append(name, text);
      });
      throw error;
    }
    metadata.forEach((text, name) => {
      trailer.set(name, text);
    });
  }
  if (!ended) throw new ConnectError("the answer ended without an end of the stream", Code.Unavailable);
}

function parse<O extends DescMessage>(schema: O, bytes: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(schema, bytes);
  } catch (thrown) {
    throw new ConnectError("the answer cannot be decoded", Code.Internal, undefined, undefined, thrown);
  }
}
