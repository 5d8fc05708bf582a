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
import { onUpgrade, type UpgradeListener } from "./upgrades.ts";

export interface ListenOptions {
  /** TCP port; 0 takes a free one. Default 8080. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1, which other machines cannot reach. */
  readonly host?: string;
  /** Certificate and key, PEM. With them the server speaks https, without them http. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /**
   * Host names, without port, that the server answers to in addition to IP addresses, the names of this machine and
   * `host`; ["*"] for all names. A page that bound its own name to the address of this server (DNS rebinding) uses a
   * name that is not listed. Default: none.
   */
  readonly allowedHosts?: readonly string[];
  /**
   * Answers requests for paths that Streamkit does not have: the application's own pages. Default: 404. An Express
   * application speaks HTTP/1.1 only: pass the application itself, so that Streamkit can ask HTTP/2 clients to come
   * back over HTTP/1.1.
   */
  readonly fallback?: Fallback;
  /** Interval at which the server checks that HTTP/2 connections are alive, in milliseconds. Default 15,000. */
  readonly keepAliveMillis?: number;
}

/** An open port. */
export interface Listener {
  /** Address of the port, such as "http://127.0.0.1:8080". */
  readonly url: string;
  readonly port: number;
  /** Stops accepting connections. */
  stop(): void;
  /** Stops accepting connections, waits up to `graceMillis` for open calls, then closes every connection. */
  close(graceMillis: number): Promise<void>;
}

/** The parts of a server that `listen` connects to a port. */
export interface ListenContext {
  readonly handler: RequestListener;
  /** Takes over requests that ask for another protocol. Returns false for a request that it ignores. */
  readonly upgrade: UpgradeListener;
  readonly limits: ServerLimits;
  /**
   * Receives a message for each connection that is closed because of a limit or because the peer broke the protocol.
   */
  readonly onRefused: (message: string, cause?: unknown) => void;
  /** Receives the errors of the port itself, for example that no file is free for a connection. */
  readonly onFailure: (error: unknown) => void;
}

const MIB = 1024 * 1024;
/** Flow-control windows in bytes: a message of a bulk upload fits without waiting for the reader. */
const STREAM_WINDOW_BYTES = MIB;
const CONNECTION_WINDOW_BYTES = 16 * MIB;
const MAX_HEADER_BYTES = 16 * 1024;
/** HTTP/2 streams of a connection that stay free for unary calls when streaming calls have taken all of theirs. */
const UNARY_CALLS = 1_000;
const KEEP_ALIVE_TIMEOUT_MILLIS = 65_000;
/**
 * Connections that the kernel completes while the event loop is busy, at most `net.core.somaxconn`. Beyond Node's 511,
 * Linux answers with SYN cookies and later resets connections whose clients believe that they are open.
 */
const BACKLOG = 4_096;
/** Longest pause between two checks for unfinished HTTP/1.1 requests. */
const MAX_CHECK_MILLIS = 5_000;

/** Error codes with which Node ends a connection whose peer floods it or breaks HTTP/2. */
const PROTOCOL_ERRORS = /^ERR_HTTP2_(ERROR|TOO_MANY_INVALID_FRAMES|MAX_PENDING_SETTINGS_ACK|PING_LENGTH)$/;

interface Servers {
  /** Owns the port. */
  readonly tcp: Server;
  readonly http2: Http2Server | Http2SecureServer;
  readonly http1?: Http1Server;
}

/**
 * Serves HTTP/1.1 and HTTP/2 on one port. With TLS, ALPN decides on the version; without TLS, the first bytes do.
 *
 * @throws Error of Node if the server cannot listen on the port
 */
export async function listen(context: ListenContext, options: ListenOptions = {}): Promise<Listener> {
  const { limits, onRefused, onFailure } = context;
  const sessions = new Set<Http2Session>();
  const server = options.tls === undefined ? plain(context) : secure(context, options.tls);
  const connections = limitConnections(server.tcp, limits, onRefused);
  server.http2.on("session", (session: Http2Session) => {
    session.on("error", (error: NodeJS.ErrnoException) => {
      // Clients may break or give up their connections; the streams of the connection notice that by themselves.
      if (PROTOCOL_ERRORS.test(error.code ?? "")) onRefused("an HTTP/2 connection broke the protocol", error);
    });
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    // The default window of a whole connection, 64 KiB, slows uploads down.
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    keepAlive(session, options.keepAliveMillis ?? 15_000);
  });

  const host = options.host ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    server.tcp.once("error", reject);
    server.tcp.listen({ port: options.port ?? 8080, host, backlog: BACKLOG }, () => {
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
    // In megabytes. Beyond this size Node refuses streams with a code that says nothing to clients, so the limits of
    // Streamkit must apply first.
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
  { handler, upgrade, limits, onRefused }: ListenContext,
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
  // Node overwrites the HTTP/1.1 options of such a server with its defaults.
  Object.assign(server, http1Options(limits));
  onUpgrade(server as unknown as Http1Server, "secureConnection", upgrade);
  server.on("tlsClientError", (error) => onRefused("a TLS handshake failed", error));
  return { tcp: server as unknown as Server, http2: server };
}

function plain({ handler, upgrade, limits }: ListenContext): Servers {
  const http1 = createHttp1Server(http1Options(limits), handler);
  onUpgrade(http1, "connection", upgrade);
  const http2 = createHttp2Server(http2Options(limits), handler);
  const tcp = createSniffingServer({ http1, http2, silentMillis: limits.headerMillis });
  return { tcp, http2, http1 };
}
