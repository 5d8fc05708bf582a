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
import { findHttpVersion, type HttpVersion } from "./node/find-version.ts";
import { FindingTransport } from "./node/finding-transport.ts";
import { streamByGrpcOrConnect } from "./node/grpc-or-connect.ts";
import { WideSessionManager } from "./node/session-manager.ts";
import { unracedStreams } from "./node/unraced-streams.ts";
import { type ChecksOf, callbacks, checkOptions, count, flag, is, millis, oneOf, opaque, text } from "./options.ts";
import { parseBaseUrl } from "./transport/base-url.ts";
import { describeTransport } from "./transport/description.ts";

/** How to reach a server from Node.js. */
export interface NodeTransportOptions {
  /** Address of the server, for example `http://127.0.0.1:8080`. With TLS: `https://`. */
  readonly baseUrl: string;
  /**
   * Default `auto`: finds out which version the server speaks, or a proxy in front of it, when the transport is first
   * used, and prefers `2`, which `produce` needs to be fast. With `nodeOptions.agent` it is `1.1`, with
   * `nodeOptions.createConnection` it is `2`: what they connect to cannot be asked.
   */
  readonly httpVersion?: HttpVersion | "auto";
  /**
   * Default: over HTTP/2 gRPC for streams, whose framing is the fastest, and Connect for single calls, which needs no
   * trailers and took a tenth less time; over HTTP/1.1, and where the server refuses gRPC, Connect. gRPC needs HTTP/2.
   */
  readonly protocol?: "grpc" | "connect" | "grpc-web";
  /** JSON instead of binary messages. Default false. */
  readonly json?: boolean;
  /** Run around every call, for example to add an `authorization` header. */
  readonly interceptors?: readonly Interceptor[];
  /** Largest message that is accepted, in bytes. Default 8 MiB. */
  readonly readMaxBytes?: number;
  /**
   * How long a connection with open calls may be silent before it is probed, in milliseconds. HTTP/2. Default 10,000.
   */
  readonly pingIntervalMillis?: number;
  /** How long a probe may take before the connection counts as lost, in milliseconds. HTTP/2. Default 5,000. */
  readonly pingTimeoutMillis?: number;
  /**
   * Compressions to ask the server for. Default none: on a fast network compression made reads three times slower.
   * Where bandwidth is scarce, pass `compressionGzip` of `@connectrpc/connect-node`.
   */
  readonly acceptCompression?: readonly Compression[];
  /** Compression of what is sent. Default none. */
  readonly sendCompression?: Compression;
  /** TLS and socket options, passed to Node.js. */
  readonly nodeOptions?: SecureClientSessionOptions | RequestOptions;
}

const NODE_TRANSPORT_OPTIONS = {
  baseUrl: text,
  httpVersion: oneOf("auto", "2", "1.1"),
  protocol: oneOf("grpc", "connect", "grpc-web"),
  json: flag,
  interceptors: callbacks,
  readMaxBytes: count(1),
  pingIntervalMillis: millis(1),
  pingTimeoutMillis: millis(1),
  acceptCompression: is("an array of compressions, such as compressionGzip", Array.isArray),
  sendCompression: opaque,
  nodeOptions: opaque,
} satisfies ChecksOf<NodeTransportOptions>;

/** Longest wait for each answer of a server that is asked for its version. */
const FIND_MILLIS = 5_000;
/** Longest wait of an explanation: a caller waits for it who knows already that the call failed. */
const DIAGNOSE_MILLIS = 1_500;

/**
 * Makes a transport for Node.js. Connects when it is first used, and again whenever needed.
 *
 * @throws StreamkitError INVALID_FIELD for an address that is none, options that are unknown or wrong, or exclude each
 *   other
 */
export function createNodeTransport(options: NodeTransportOptions): Transport {
  checkOptions("createNodeTransport", options, NODE_TRANSPORT_OPTIONS, ["baseUrl"]);
  const url = parseBaseUrl(options.baseUrl);
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
    case "connect":
      return createConnectTransport(over("connect"));
    default: {
      const connect = createConnectTransport(over("connect"));
      return { unary: connect.unary, stream: streamByGrpcOrConnect(createGrpcTransport(over("grpc")), connect) };
    }
  }
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

/** Why a server cannot be reached with the version that the application chose, if that is for good. */
async function whatIsWrong(wanted: HttpVersion, finding: Promise<HttpVersion>): Promise<string | undefined> {
  try {
    const found = await finding;
    if (wanted === "1.1" || found === "2") return undefined;
    return 'the server speaks HTTP/1.1 only: leave out `httpVersion`, or set it to "1.1"';
  } catch (error) {
    return error instanceof StreamkitError && error.reason === "MISCONFIGURED" ? error.message : undefined;
  }
}
