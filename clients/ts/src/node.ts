/** Transports for Node.js: gRPC, Connect and gRPC-Web over HTTP/2 and HTTP/1.1. */
import type { SecureClientSessionOptions } from "node:http2";
import type { RequestOptions } from "node:https";
import type { ConnectionOptions } from "node:tls";
import type { Interceptor, Transport } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  createNodeHttpClient,
} from "@connectrpc/connect-node";
import { invalidArgument, misconfigured, StreamkitError } from "./errors/error.ts";
import { directUnary } from "./node/direct-unary.ts";
import { findHttpVersion, type HttpVersion } from "./node/find-version.ts";
import { FindingTransport } from "./node/finding-transport.ts";
import { streamByGrpcOrConnect } from "./node/grpc-or-connect.ts";
import { WideSessionManager } from "./node/session-manager.ts";
import { unracedStreams } from "./node/unraced-streams.ts";
import { type ChecksOf, callbacks, checkOptions, count, flag, is, millis, oneOf, opaque, text } from "./options.ts";
import { parseBaseUrl } from "./transport/base-url.ts";
import { describeTransport } from "./transport/description.ts";
import { createWebSocketTransport } from "./websocket.ts";

/** The way to reach a server from Node.js. */
export interface NodeTransportOptions {
  /** Address of the server, for example `http://127.0.0.1:8080`, or `https://...` with TLS. */
  readonly baseUrl: string;
  /**
   * Version of HTTP. Default `auto`: at its first call the transport asks the server, or the proxy in front of it, and
   * prefers `2`, which `produce` needs to be fast. The default is `1.1` with `nodeOptions.agent` or
   * `nodeOptions.socketPath`, and `2` with `nodeOptions.createConnection`, since the transport cannot ask through them.
   */
  readonly httpVersion?: HttpVersion | "auto";
  /**
   * Protocol of all calls. Default over HTTP/2: gRPC for streams, because its framing is the fastest, and Connect for
   * unary calls, because it needs no trailers and took a tenth less time. Default over HTTP/1.1, and for a server that
   * refuses gRPC: Connect. `grpc` needs HTTP/2. `websocket` makes all calls over one socket.
   */
  readonly protocol?: "grpc" | "connect" | "grpc-web" | "websocket";
  /** True for JSON instead of binary messages. Default false. */
  readonly json?: boolean;
  /** Interceptors run around every call, for example to add a header. Pass tokens to the client. */
  readonly interceptors?: readonly Interceptor[];
  /** Largest message that the client accepts, in bytes. Default 8 MiB. */
  readonly readMaxBytes?: number;
  /** Silence on an HTTP/2 connection with open calls before the client probes it, in milliseconds. Default 10,000. */
  readonly pingIntervalMillis?: number;
  /**
   * Time that a probe of an HTTP/2 connection may take before the connection is lost, in milliseconds. Default 5,000.
   */
  readonly pingTimeoutMillis?: number;
  /**
   * Compressions that the client asks the server for. Default none: on a fast network compression made reads three
   * times slower. Pass `compressionGzip` of `@connectrpc/connect-node` where bandwidth is scarce.
   */
  readonly acceptCompression?: readonly Compression[];
  /** Compression of requests. Default none. */
  readonly sendCompression?: Compression;
  /** TLS and socket options, which the transport passes to Node.js. */
  readonly nodeOptions?: SecureClientSessionOptions | RequestOptions;
}

const NODE_TRANSPORT_OPTIONS = {
  baseUrl: text,
  httpVersion: oneOf("auto", "2", "1.1"),
  protocol: oneOf("grpc", "connect", "grpc-web", "websocket"),
  json: flag,
  interceptors: callbacks,
  readMaxBytes: count(1),
  pingIntervalMillis: millis(1),
  pingTimeoutMillis: millis(1),
  acceptCompression: is("an array of compressions, such as compressionGzip", Array.isArray),
  sendCompression: opaque,
  nodeOptions: opaque,
} satisfies ChecksOf<NodeTransportOptions>;

/** Longest wait for each answer of the server when the transport looks for its version of HTTP, in milliseconds. */
const FIND_MILLIS = 5_000;
/** Longest wait for a diagnosis, in milliseconds. The call has failed by then, and its caller waits for the reason. */
const DIAGNOSE_MILLIS = 1_500;

/**
 * Makes a transport for Node.js. It connects at its first call, and again after it lost a connection.
 *
 * @throws StreamkitError INVALID_FIELD for a malformed address, and for options that are unknown, out of range or
 *   exclude each other
 */
export function createNodeTransport(options: NodeTransportOptions): Transport {
  checkOptions("createNodeTransport", options, NODE_TRANSPORT_OPTIONS, ["baseUrl"]);
  const url = parseBaseUrl(options.baseUrl);
  if (options.protocol === "websocket") return overWebSocket(options);
  const { httpVersion = defaultVersion(options.nodeOptions), protocol, json = false } = options;
  if (protocol === "grpc" && httpVersion === "1.1") throw invalidArgument("protocol", "gRPC needs HTTP/2");
  const sessionManager = new WideSessionManager({
    baseUrl: options.baseUrl,
    pingIntervalMillis: options.pingIntervalMillis ?? 10_000,
    pingTimeoutMillis: options.pingTimeoutMillis ?? 5_000,
    nodeOptions: options.nodeOptions as SecureClientSessionOptions | undefined,
  });
  const find = (millis: number) => findHttpVersion(url, (options.nodeOptions ?? {}) as ConnectionOptions, millis);
  const make = (version: HttpVersion) => (version === "2" ? overHttp2(options, sessionManager) : overHttp1(options));
  const description = {
    format: json ? ("json" as const) : ("binary" as const),
    address: options.baseUrl,
    probe: () => sessionManager.probe(),
  };
  if (httpVersion !== "auto") {
    const diagnose = () => whatIsWrong(httpVersion, find(DIAGNOSE_MILLIS));
    return describeTransport(make(httpVersion), { ...description, duplex: httpVersion === "2", diagnose });
  }
  const transport = new FindingTransport(async () => {
    const version = await find(FIND_MILLIS);
    if (version === "1.1" && protocol === "grpc") {
      throw misconfigured("gRPC needs HTTP/2, and the server speaks HTTP/1.1 only: leave out `protocol`");
    }
    return version;
  }, make);
  const duplex = () => {
    const version = transport.version();
    return typeof version === "string" ? version === "2" : version.then((found) => found === "2");
  };
  return describeTransport(transport, { ...description, duplex });
}

/** Options of HTTP that mean nothing for a WebSocket. */
const OF_HTTP = ["httpVersion", "json", "acceptCompression", "sendCompression", "nodeOptions"] as const;

function overWebSocket(options: NodeTransportOptions): Transport {
  for (const name of OF_HTTP) {
    if (options[name] === undefined || options[name] === false) continue;
    throw invalidArgument(name, "leave it out with a WebSocket; createWebSocketTransport has options for one");
  }
  const { baseUrl, interceptors, readMaxBytes, pingIntervalMillis, pingTimeoutMillis } = options;
  return createWebSocketTransport({
    baseUrl,
    ...(interceptors && { interceptors }),
    ...(readMaxBytes && { readMaxBytes }),
    ...(pingIntervalMillis && { pingIntervalMillis }),
    ...(pingTimeoutMillis && { pingTimeoutMillis }),
  });
}

function defaultVersion(nodeOptions: object | undefined): HttpVersion | "auto" {
  if (nodeOptions === undefined) return "auto";
  if ("agent" in nodeOptions || "socketPath" in nodeOptions) return "1.1";
  return "createConnection" in nodeOptions ? "2" : "auto";
}

function overHttp2(options: NodeTransportOptions, sessionManager: WideSessionManager): Transport {
  const common = commonOptions(options);
  const httpClient = createNodeHttpClient({ httpVersion: "2", sessionProvider: () => sessionManager });
  const over = (protocol: "grpc" | "connect") => ({
    ...common,
    httpVersion: "2" as const,
    sessionManager,
    interceptors: [...common.interceptors, unracedStreams(protocol, { ...common, httpClient })],
  });
  switch (options.protocol) {
    case "grpc":
      return createGrpcTransport(over("grpc"));
    case "grpc-web":
      return createGrpcWebTransport({ ...common, httpVersion: "2", sessionManager });
    case "connect": {
      const connect = createConnectTransport(over("connect"));
      return { unary: unaryOf(connect, options, sessionManager), stream: connect.stream };
    }
    default: {
      const connect = createConnectTransport(over("connect"));
      const stream = streamByGrpcOrConnect(createGrpcTransport(over("grpc")), connect);
      return { unary: unaryOf(connect, options, sessionManager), stream };
    }
  }
}

/** Unary calls over HTTP/2: as plain bytes where nothing is compressed or JSON. */
function unaryOf(connect: Transport, options: NodeTransportOptions, sessionManager: WideSessionManager) {
  const { useBinaryFormat, acceptCompression, sendCompression, ...common } = commonOptions(options);
  const isPlain = useBinaryFormat && acceptCompression.length === 0 && sendCompression === undefined;
  return isPlain ? directUnary({ ...common, sessionManager }) : connect.unary;
}

function overHttp1(options: NodeTransportOptions): Transport {
  const { nodeOptions } = options as { nodeOptions?: RequestOptions };
  const http1 = { httpVersion: "1.1" as const, ...(nodeOptions && { nodeOptions }) };
  const common = { ...commonOptions(options), ...http1 };
  if (options.protocol === "grpc-web") return createGrpcWebTransport(common);
  const streams = unracedStreams("connect", { ...common, httpClient: createNodeHttpClient(http1) });
  return createConnectTransport({ ...common, interceptors: [...common.interceptors, streams] });
}

function commonOptions(options: NodeTransportOptions) {
  return {
    baseUrl: options.baseUrl,
    useBinaryFormat: !options.json,
    interceptors: [...(options.interceptors ?? [])],
    readMaxBytes: options.readMaxBytes ?? 8 * 1_048_576,
    acceptCompression: [...(options.acceptCompression ?? [])],
    ...(options.sendCompression === undefined ? {} : { sendCompression: options.sendCompression }),
  };
}

/**
 * The reason why the client cannot reach a server with the version that the application chose; `undefined` if the
 * failure may pass.
 */
async function whatIsWrong(wanted: HttpVersion, finding: Promise<HttpVersion>): Promise<string | undefined> {
  try {
    const found = await finding;
    if (wanted === "1.1" || found === "2") return undefined;
    return 'the server speaks HTTP/1.1 only: leave out `httpVersion`, or set it to "1.1"';
  } catch (error) {
    return error instanceof StreamkitError && error.reason === "MISCONFIGURED" ? error.message : undefined;
  }
}
