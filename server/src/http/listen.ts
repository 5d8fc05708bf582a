import type { Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { limitConnections } from "./connections.ts";
import type { Fallback } from "./cors.ts";
import { keepAlive } from "./keepalive.ts";
import {
  CONNECTION_WINDOW_BYTES,
  plainServers,
  type SecureServers,
  type ServersContext,
  secureServers,
} from "./servers.ts";
import type { TlsFiles, TlsOptions } from "./tls.ts";

export interface ListenOptions {
  /** TCP port; 0 takes a free one. Default 8080. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1, which other machines cannot reach. */
  readonly host?: string;
  /** Certificate and key. With them the server speaks https, without them http. */
  readonly tls?: TlsOptions;
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
  /**
   * Takes other certificates and another key, from the next connection on. Open connections keep theirs.
   *
   * @throws UnusableTlsError for a file that does not work; the server keeps the old ones
   * @throws TypeError if the port has no TLS, or `clientCa` is new or missing: a port keeps its rule for clients
   */
  renewTls(files: TlsFiles): void;
  /** Stops accepting connections. */
  stop(): void;
  /** Stops accepting connections, waits up to `graceMillis` for open calls, then closes every connection. */
  close(graceMillis: number): Promise<void>;
}

/** The parts of a server that `listen` connects to a port. */
export interface ListenContext extends ServersContext {
  /** Receives the errors of the port itself, for example that no file is free for a connection. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Connections that the kernel completes while the event loop is busy, at most `net.core.somaxconn`. Beyond Node's 511,
 * Linux answers with SYN cookies and later resets connections whose clients believe that they are open.
 */
const BACKLOG = 4_096;
/** Error codes with which Node ends a connection whose peer floods it or breaks HTTP/2. */
const PROTOCOL_ERRORS = /^ERR_HTTP2_(ERROR|TOO_MANY_INVALID_FRAMES|MAX_PENDING_SETTINGS_ACK|PING_LENGTH)$/;

/**
 * Serves HTTP/1.1 and HTTP/2 on one port. With TLS, ALPN decides on the version; without TLS, the first bytes do.
 *
 * @throws UnusableTlsError for a certificate or a key that does not work
 * @throws Error of Node if the server cannot listen on the port
 */
export async function listen(context: ListenContext, options: ListenOptions = {}): Promise<Listener> {
  const { limits, onRefused, onFailure } = context;
  const sessions = new Set<Http2Session>();
  const secure = options.tls && secureServers(context, options.tls);
  const server = secure ?? plainServers(context);
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
    renewTls: (files) => renew(secure, options.tls, files),
    stop: () => void stop(),
    async close(graceMillis) {
      const closed = stop();
      for (const session of sessions) session.close();
      server.http1.close(() => undefined);
      const timer = setTimeout(() => connections.destroy(), graceMillis);
      await closed;
      clearTimeout(timer);
    },
  };
}

function renew(servers: SecureServers | undefined, old: TlsOptions | undefined, files: TlsFiles): void {
  if (servers === undefined) throw new TypeError("renewTls: the port speaks http; pass tls to listen()");
  if ((old?.clientCa === undefined) !== (files.clientCa === undefined)) {
    throw new TypeError("renewTls: clientCa can be replaced, but neither added nor left out; listen() decides on it");
  }
  servers.renew(files);
}
