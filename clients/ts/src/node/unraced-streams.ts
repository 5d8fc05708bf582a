import { Code, ConnectError, type Interceptor, type StreamRequest, type StreamResponse } from "@connectrpc/connect";
import {
  type Compression,
  createMethodSerializationLookup,
  pipe,
  transformCompressEnvelope,
  transformDecompressEnvelope,
  transformJoinEnvelopes,
  transformParseEnvelope,
  transformSerializeEnvelope,
  transformSplitEnvelope,
  type UniversalClientFn,
  type UniversalClientResponse,
  validateReadWriteMaxBytes,
} from "@connectrpc/connect/protocol";
import * as connect from "@connectrpc/connect/protocol-connect";
import * as grpc from "@connectrpc/connect/protocol-grpc";

/** The options of the transport. */
export interface StreamOptions {
  readonly httpClient: UniversalClientFn;
  readonly useBinaryFormat: boolean;
  readonly readMaxBytes: number;
  readonly acceptCompression: Compression[];
  readonly sendCompression?: Compression;
}

/** Checks the head of an answer, and decodes its body into messages. */
type Receive = (request: StreamRequest, answer: UniversalClientResponse) => StreamResponse;

/**
 * The innermost interceptor of a transport. It makes streaming calls itself, without `runStreamingCall` of connect-es
 * 2.3.0, which races each response against the end of the call and keeps 350 bytes per response until then. A follower
 * of a busy space would keep gigabytes. Remove this file once `runStreamingCall` keeps nothing.
 */
export function unracedStreams(protocol: "grpc" | "connect", options: StreamOptions): Interceptor {
  const limits = validateReadWriteMaxBytes(options.readMaxBytes, undefined, undefined);
  const { httpClient, useBinaryFormat, sendCompression = null } = options;
  const receive = protocol === "grpc" ? receiveGrpc(options, limits) : receiveConnect(options, limits);
  return (next) => async (request) => {
    if (!request.stream) return next(request);
    const { url, header, signal, method } = request;
    const body = pipe(
      request.message,
      transformSerializeEnvelope(serializationOf(method, limits).getI(useBinaryFormat)),
      transformCompressEnvelope(sendCompression, limits.compressMinBytes),
      transformJoinEnvelopes(),
      { propagateDownStreamError: true },
    );
    return receive(request, await httpClient({ url, method: "POST", header, signal, body }));
  };
}

type Limits = ReturnType<typeof validateReadWriteMaxBytes>;

function serializationOf(method: StreamRequest["method"], limits: Limits) {
  return createMethodSerializationLookup(method, undefined, undefined, limits);
}

function receiveGrpc({ acceptCompression, useBinaryFormat }: StreamOptions, limits: Limits): Receive {
  return (request, { status, header, trailer, body }) => {
    const checked = grpc.validateResponseWithCompression(acceptCompression, status, header);
    const { compression = null, foundStatus, headerError } = checked;
    if (headerError) throw headerError;
    const messages = pipe(
      body,
      transformSplitEnvelope(limits.readMaxBytes),
      transformDecompressEnvelope(compression, limits.readMaxBytes),
      transformParseEnvelope(serializationOf(request.method, limits).getO(useBinaryFormat)),
      async function* (parsed) {
        yield* parsed;
        if (!foundStatus) grpc.validateTrailer(trailer, header);
      },
      { propagateDownStreamError: true },
    );
    return { ...request, header, trailer, message: messages };
  };
}

function receiveConnect({ acceptCompression, useBinaryFormat }: StreamOptions, limits: Limits): Receive {
  const endSerialization = connect.createEndStreamSerialization(undefined);
  return (request, { status, header, body }) => {
    const { method } = request;
    const { methodKind } = method;
    const { compression = null } = connect.validateResponseWithCompression(
      ...([methodKind, acceptCompression, useBinaryFormat, status, header] as const),
    );
    const trailer = new Headers();
    const messages = pipe(
      body,
      transformSplitEnvelope(limits.readMaxBytes),
      transformDecompressEnvelope(compression, limits.readMaxBytes),
      transformParseEnvelope(
        serializationOf(method, limits).getO(useBinaryFormat),
        connect.endStreamFlag,
        endSerialization,
      ),
      async function* (parsed) {
        let ended = false;
        for await (const part of parsed) {
          if (ended) throw new ConnectError("the answer continues behind the end of the stream", Code.InvalidArgument);
          if (part.end) {
            ended = true;
            const { error, metadata } = part.value;
            if (error !== undefined) throw withMetadata(error, header);
            metadata.forEach((text, name) => {
              trailer.set(name, text);
            });
          } else {
            yield part.value;
          }
        }
        if (!ended) throw new ConnectError("the answer ended without an end of the stream", Code.InvalidArgument);
      },
      { propagateDownStreamError: true },
    );
    return { ...request, header, trailer, message: messages };
  };
}

function withMetadata(error: ConnectError, header: Headers): ConnectError {
  header.forEach((text, name) => {
    error.metadata.append(name, text);
  });
  return error;
}
