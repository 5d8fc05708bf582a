/** Transports for Node.js: gRPC, Connect and gRPC-Web over HTTP/2 and HTTP/1.1. */
import type { ClientHttp2Session, SecureClientSessionOptions } from "node:http2";
import type { RequestOptions } from "node:https";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { invalidArgument } from "./errors/error.ts";
import { describeTransport } from "./transport/description.ts";

/** How to reach a server from Node.js. */
export interface NodeTransportOptions {
  /** Address of the server, for example `http://127.0.0.1:8080`. With TLS: `https://`. */
  readonly baseUrl: string;
  /** Default `2`, which `produce` needs to be fast. */
  readonly httpVersion?: "2" | "1.1";
  /**
   * Default: over HTTP/2 gRPC for streams, whose framing is the fastest, and Connect for single calls, which needs no
   * trailers and took a tenth less time; over HTTP/1.1 Connect.
   */
  readonly protocol?: "grpc" | "connect" | "grpc-web";
  /** JSON instead of binary messages. Default false. */
  readonly json?: boolean;
  /** Run around every call, for example to add an `authorization` header. */
  readonly interceptors?: readonly Interceptor[];
  /** Largest message that is accepted, in bytes. Default 8 MiB. */
  readonly readMaxBytes?: number;
  /** How long a connection with open calls may be silent before it is probed, in milliseconds. HTTP/2. Default 10,000. */
  readonly pingIntervalMillis?: number;
  /** How long a probe may take before the connection counts as lost, in milliseconds. HTTP/2. Default 5,000. */
  readonly pingTimeoutMillis?: number;
  /**
   * Compressions to ask the server for. Default none: on a fast network compression made reads three times slower. Where
   * bandwidth is scarce, pass `compressionGzip` of `@connectrpc/connect-node`.
   */
  readonly acceptCompression?: readonly Compression[];
  /** Compression of what is sent. Default none. */
  readonly sendCompression?: Compression;
  /** TLS and socket options, passed to Node.js. */
  readonly nodeOptions?: SecureClientSessionOptions | RequestOptions;
}

/**
 * Bytes that a server may send on one stream, and on all streams of a connection, before the client has read them. The
 * 65,535 of the protocol are less than one response of a bulk read, so each would wait for round trips.
 */
const STREAM_WINDOW_BYTES = 4 * 1_048_576;
const CONNECTION_WINDOW_BYTES = 16 * 1_048_576;

/** Makes a transport for Node.js. Connects when it is first used, and again whenever needed. */
export function createNodeTransport(options: NodeTransportOptions): Transport {
  const { baseUrl, httpVersion = "2", json = false } = options;
  const format = json ? "json" : "binary";
  const common = {
    baseUrl,
    useBinaryFormat: !json,
    interceptors: [...(options.interceptors ?? [])],
    readMaxBytes: options.readMaxBytes ?? 8 * 1_048_576,
    acceptCompression: [...(options.acceptCompression ?? [])],
    ...(options.sendCompression === undefined ? {} : { sendCompression: options.sendCompression }),
  };
  if (httpVersion === "1.1") {
    const { nodeOptions } = options as { nodeOptions?: RequestOptions };
    const http1 = { ...common, httpVersion, ...(nodeOptions === undefined ? {} : { nodeOptions }) };
    const { protocol = "connect" } = options;
    if (protocol === "grpc") throw invalidArgument("protocol", "gRPC needs HTTP/2");
    const transport = protocol === "connect" ? createConnectTransport(http1) : createGrpcWebTransport(http1);
    return describeTransport(transport, { format, duplex: false, address: baseUrl });
  }
  const sessionManager = new WideSessionManager(options);
  const create = { grpc: createGrpcTransport, connect: createConnectTransport, "grpc-web": createGrpcWebTransport };
  const { unary } = create[options.protocol ?? "connect"]({ ...common, httpVersion, sessionManager });
  const { stream } = create[options.protocol ?? "grpc"]({ ...common, httpVersion, sessionManager });
  return describeTransport(
    { unary, stream },
    { format, duplex: true, address: baseUrl, probe: () => sessionManager.probe() },
  );
}

/** A session manager for streams of bulk data, some of which are silent for long. */
class WideSessionManager extends Http2SessionManager {
  private readonly pingTimeoutMillis: number;
  private session: ClientHttp2Session | undefined;

  constructor({ baseUrl, pingIntervalMillis = 10_000, pingTimeoutMillis = 5_000, nodeOptions }: NodeTransportOptions) {
    const sessionOptions = nodeOptions as SecureClientSessionOptions | undefined;
    super(
      new URL(baseUrl).origin,
      { pingIntervalMs: pingIntervalMillis, pingTimeoutMs: pingTimeoutMillis },
      {
        ...sessionOptions,
        settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false, ...sessionOptions?.settings },
      },
    );
    this.pingTimeoutMillis = pingTimeoutMillis;
  }

  /** Widens the window of a connection, for which HTTP/2 has no setting, when its first stream shows the session. */
  override async request(...args: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...args);
    if (stream.session !== undefined && stream.session !== this.session) {
      this.session = stream.session as ClientHttp2Session;
      this.session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    }
    return stream;
  }

  /** Drops the connection unless it answers a ping in time. The interval of regular pings may be far from over. */
  probe(): void {
    const { session } = this;
    if (session === undefined || session.destroyed) return;
    const timer = setTimeout(() => {
      session.destroy(new ConnectError("the connection does not answer", Code.Unavailable));
    }, this.pingTimeoutMillis);
    if (!session.ping(() => clearTimeout(timer))) clearTimeout(timer);
  }
}
