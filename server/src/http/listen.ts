import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
  type SecureServerOptions,
} from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { ServerLimits } from "../budgets/limits.ts";
import { limitConnections } from "./connections.ts";
import type { Fallback, RequestListener } from "./cors.ts";
import { keepAlive } from "./keepalive.ts";
import { createSniffingServer } from "./sniff.ts";

export interface ListenOptions {
  /** TCP port; 0 takes a free one. Default 8080. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1: other machines cannot connect unless you say so. */
  readonly host?: string;
  /** Certificate and key, PEM: serves https instead of http. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /**
   * Host names, without port, that the server answers to beside addresses, the names of this machine and `host`; ["*"]
   * for all. A page whose name was bound to this server's address (DNS rebinding) uses a name that is not listed.
   * Default: none.
   */
  readonly allowedHosts?: readonly string[];
  /**
   * Answers requests for paths that are none of Streamkit's: the application's own pages. An Express application is
   * HTTP/1.1 only; pass it as it is, so that clients of HTTP/2 are asked to come back over HTTP/1.1. Default: 404.
   */
  readonly fallback?: Fallback;
  /** How often HTTP/2 connections are checked to be alive, in milliseconds. Default 15,000. */
  readonly keepAliveMillis?: number;
}

/** An open port. */
export interface Listener {
  /** Where it listens: "http://127.0.0.1:8080". */
  readonly url: string;
  readonly port: number;
  /** Stops accepting connections. */
  stop(): void;
  /** Lets open calls end for so many milliseconds, then closes every connection. */
  close(graceMillis: number): Promise<void>;
}

/** What `listen` needs beyond its public options. */
export interface ListenContext {
  readonly handler: RequestListener;
  readonly limits: ServerLimits;
  /** Told of connections that are closed because of a limit, or because the peer broke the protocol. */
  readonly onRefused: (message: string, cause?: unknown) => void;
  /** Told when the port itself fails: no file is free for a connection, for example. */
  readonly onFailure: (error: unknown) => void;
}

const MIB = 1024 * 1024;
/** Flow-control windows: one message of a bulk upload fits without waiting for the reader. */
const STREAM_WINDOW_BYTES = MIB;
const CONNECTION_WINDOW_BYTES = 16 * MIB;
const MAX_HEADER_BYTES = 16 * 1024;
/** HTTP/2 streams of a connection that unary calls have when its streams are all taken. */
const UNARY_CALLS = 1_000;
const KEEP_ALIVE_TIMEOUT_MILLIS = 65_000;
/** Pauses between looks at unfinished HTTP/1.1 requests. */
const MAX_CHECK_MILLIS = 5_000;

/** Codes of errors by which Node ends a connection whose peer floods it, or sends what is no HTTP/2. */
const PROTOCOL_ERRORS = /^ERR_HTTP2_(ERROR|TOO_MANY_INVALID_FRAMES|MAX_PENDING_SETTINGS_ACK|PING_LENGTH)$/;

interface Servers {
  /** Owns the port. */
  readonly tcp: Server;
  readonly http2: Http2Server | Http2SecureServer;
  readonly http1?: Http1Server;
}

/** Serves HTTP/1.1 and HTTP/2 on one port: by ALPN with TLS, by looking at the first bytes without. */
export async function listen(context: ListenContext, options: ListenOptions = {}): Promise<Listener> {
  const { limits, onRefused, onFailure } = context;
  const sessions = new Set<Http2Session>();
  const server = options.tls === undefined ? plain(context) : secure(context, options.tls);
  const connections = limitConnections(server.tcp, limits, onRefused);
  server.http2.on("session", (session: Http2Session) => {
    session.on("error", (error: NodeJS.ErrnoException) => {
      // A connection that breaks or is given up is the client's affair; its streams learn of it by themselves.
      if (PROTOCOL_ERRORS.test(error.code ?? "")) onRefused("an HTTP/2 connection broke the protocol", error);
    });
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    // Upload speed: the window of the whole connection is 64 KiB otherwise.
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    keepAlive(session, options.keepAliveMillis ?? 15_000);
  });

  const host = options.host ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    server.tcp.once("error", reject);
    server.tcp.listen(options.port ?? 8080, host, () => {
      server.tcp.off("error", reject);
      server.tcp.on("error", onFailure);
      resolve();
    });
  });
  const { port } = server.tcp.address() as AddressInfo;
  const shownHost = host.includes(":") ? `[${host}]` : host;
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= new Promise((resolve) => server.tcp.close(() => resolve()));
    return stopped;
  };
  return {
    url: `${options.tls === undefined ? "http" : "https"}://${shownHost}:${port}`,
    port,
    stop: () => void stop(),
    async close(graceMillis) {
      const closed = stop();
      for (const session of sessions) session.close();
      server.http1?.close(() => undefined);
      const timer = setTimeout(() => connections.destroy(), graceMillis);
      await closed;
      clearTimeout(timer);
    },
  };
}

function http2Options({ streamsPerConnection, responseBytesPerConnection }: ServerLimits) {
  return {
    settings: {
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxConcurrentStreams: streamsPerConnection + UNARY_CALLS,
      maxHeaderListSize: MAX_HEADER_BYTES,
    },
    // In megabytes. Beyond it, Node refuses streams by a code that tells clients nothing: our own limits come first.
    maxSessionMemory: Math.ceil((2 * responseBytesPerConnection + CONNECTION_WINDOW_BYTES) / MIB) + 64,
  };
}

function http1Options({ headerMillis, requestMillis }: ServerLimits) {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: headerMillis,
    requestTimeout: headerMillis + requestMillis,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MILLIS,
    connectionsCheckingInterval: Math.min(MAX_CHECK_MILLIS, Math.ceil(headerMillis / 4)),
  };
}

function secure(
  { handler, limits, onRefused }: ListenContext,
  tls: { cert: string | Buffer; key: string | Buffer },
): Servers {
  const options: SecureServerOptions = {
    ...http2Options(limits),
    ...http1Options(limits),
    ...tls,
    allowHTTP1: true,
    handshakeTimeout: limits.headerMillis,
  };
  const server = createSecureServer(options, handler);
  // Node's defaults for HTTP/1.1 on such a server are set behind its options.
  Object.assign(server, http1Options(limits));
  server.on("tlsClientError", (error) => onRefused("a TLS handshake failed", error));
  return { tcp: server as unknown as Server, http2: server };
}

function plain({ handler, limits }: ListenContext): Servers {
  const http1 = createHttp1Server(http1Options(limits), handler);
  const http2 = createHttp2Server(http2Options(limits), handler);
  const tcp = createSniffingServer({ http1, http2, silentMillis: limits.headerMillis });
  return { tcp, http2, http1 };
}
