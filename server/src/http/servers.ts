import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
} from "node:http2";
import { createServer, type Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { type ServerLimits, UNARY_CALLS_PER_CONNECTION } from "../budgets/limits.ts";
import type { RequestListener } from "./cors.ts";
import { createSniffingServer } from "./sniff.ts";
import { secureContextOptions, type TlsFiles, type TlsOptions } from "./tls.ts";
import { onUpgrade, type UpgradeListener } from "./upgrades.ts";

/** The parts of a server that a port passes its requests to. */
export interface ServersContext {
  readonly handler: RequestListener;
  /** Takes over requests that ask for another protocol. Returns false for a request that it ignores. */
  readonly upgrade: UpgradeListener;
  readonly limits: ServerLimits;
  /**
   * Receives a message for each connection that is closed because of a limit or because the peer broke the protocol.
   */
  readonly onRefused: (message: string, cause?: unknown) => void;
}

/** The servers of one port. */
export interface Servers {
  /** Owns the port. Its connections go on to the others. */
  readonly tcp: Server;
  readonly http2: Http2Server | Http2SecureServer;
  readonly http1: Http1Server;
}

/** The servers of a port with TLS. */
export interface SecureServers extends Servers {
  /**
   * Uses other files from the next connection on.
   *
   * @throws UnusableTlsError for a file that does not work; the server keeps the old files
   */
  renew(files: TlsFiles): void;
}

const MIB = 1024 * 1024;
/** Flow-control windows in bytes: a message of a bulk upload fits without waiting for the reader. */
const STREAM_WINDOW_BYTES = MIB;
export const CONNECTION_WINDOW_BYTES = 16 * MIB;
const MAX_HEADER_BYTES = 16 * 1024;
const KEEP_ALIVE_TIMEOUT_MILLIS = 65_000;
/** Longest pause between two checks for unfinished HTTP/1.1 requests. */
const MAX_CHECK_MILLIS = 5_000;

function http2Options({ streamsPerConnection, responseBytesPerConnection }: ServerLimits) {
  return {
    settings: {
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxConcurrentStreams: streamsPerConnection + UNARY_CALLS_PER_CONNECTION,
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

/** Creates the servers of a port without TLS. */
export function plainServers({ handler, upgrade, limits }: ServersContext): Servers {
  const http1 = createHttp1Server(http1Options(limits), handler);
  onUpgrade(http1, "connection", upgrade);
  const http2 = createHttp2Server(http2Options(limits), handler);
  const tcp = createSniffingServer({ http1, http2, silentMillis: limits.headerMillis });
  return { tcp, http2, http1 };
}

/**
 * Creates the servers of a port with TLS.
 *
 * @throws UnusableTlsError for a file that does not work
 */
export function secureServers({ handler, upgrade, limits, onRefused }: ServersContext, tls: TlsOptions): SecureServers {
  const secure = createSecureServer(
    {
      ...http2Options(limits),
      ...http1Options(limits),
      ...secureContextOptions(tls),
      allowHTTP1: true,
      handshakeTimeout: limits.headerMillis,
      requestCert: tls.clientCa !== undefined,
      rejectUnauthorized: tls.clientCa !== undefined && tls.clientCertificate !== "request",
    },
    handler,
  );
  const http1 = secure as unknown as Http1Server;
  // Node overwrites the HTTP/1.1 options of such a server with its defaults.
  Object.assign(http1, http1Options(limits));
  onUpgrade(http1, "secureConnection", upgrade);
  secure.on("tlsClientError", (error, { authorizationError }: TLSSocket) => {
    if (authorizationError === undefined || authorizationError === null)
      return onRefused("a TLS handshake failed", error);
    onRefused(`a client has no valid certificate (${authorizationError})`);
  });
  // Node watches HTTP/1.1 connections (timeouts of headers, idle connections on close) only from this event on.
  secure.emit("listening");
  // A server of its own, so that a connection over a limit is closed before a handshake begins.
  const tcp = createServer({ noDelay: true }, (socket) => {
    if (!socket.destroyed) secure.emit("connection", socket);
  });
  return { tcp, http2: secure, http1, renew: (files) => secure.setSecureContext(secureContextOptions(files)) };
}
