import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type Http2Server, type Http2Session } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { RequestListener } from "./cors.ts";
import { keepAlive } from "./keepalive.ts";

export interface ListenOptions {
  /** TCP port; 0 takes a free one. Default 8080. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1: other machines cannot connect unless you say so. */
  readonly host?: string;
  /** Certificate and key, PEM: serves https instead of http. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** How often HTTP/2 connections are checked to be alive, in milliseconds. Default 15,000. */
  readonly keepAliveMillis?: number;
  /** Streams that one HTTP/2 connection may have open. Default 10,000. */
  readonly maxStreamsPerConnection?: number;
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

const PREFACE = Buffer.from("PRI");
/** A connection that says nothing for this long is closed. */
const SILENT_MILLIS = 60_000;
/** Flow-control windows: one message of a bulk upload fits without waiting for the reader. */
const WINDOW_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

/** Serves HTTP/1.1 and HTTP/2 on one port: by ALPN with TLS, by looking at the first bytes without. */
export async function listen(handler: RequestListener, options: ListenOptions = {}): Promise<Listener> {
  const sessions = new Set<Http2Session>();
  const sockets = new Set<Socket>();
  const settings = {
    settings: {
      initialWindowSize: WINDOW_BYTES,
      maxConcurrentStreams: options.maxStreamsPerConnection ?? 10_000,
      maxHeaderListSize: MAX_HEADER_BYTES,
    },
    // In megabytes; covers the windows of many streams.
    maxSessionMemory: 64,
  };
  const server = options.tls === undefined ? sniffing(handler, settings) : secure(handler, settings, options.tls);
  server.http2.on("session", (session: Http2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    // Upload speed: the window of the whole connection is 64 KiB otherwise.
    (session as Http2Session & { setLocalWindowSize(size: number): void }).setLocalWindowSize(16 * WINDOW_BYTES);
    keepAlive(session, options.keepAliveMillis ?? 15_000);
    // A broken connection is the client's affair; its streams learn of it by themselves.
    session.on("error", () => undefined);
  });
  server.tcp.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });

  const host = options.host ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    server.tcp.once("error", reject);
    server.tcp.listen(options.port ?? 8080, host, () => {
      server.tcp.off("error", reject);
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
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMillis);
      await closed;
      clearTimeout(timer);
    },
  };
}

interface Servers {
  /** Owns the port. */
  readonly tcp: Server;
  readonly http2: Http2Server;
  readonly http1?: Http1Server;
}

function secure(
  handler: RequestListener,
  settings: object,
  tls: { cert: string | Buffer; key: string | Buffer },
): Servers {
  const server = createSecureServer({ ...settings, ...tls, allowHTTP1: true }, handler);
  return { tcp: server, http2: server as unknown as Http2Server };
}

function sniffing(handler: RequestListener, settings: object): Servers {
  const http1 = createHttp1Server({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: 65_000 }, handler);
  // Node starts to watch connections (header timeouts, idle ones on close) when the server says that it listens.
  http1.emit("listening");
  const http2 = createHttp2Server(settings, handler);
  const tcp = createTcpServer({ noDelay: true }, (socket) => {
    const silent = setTimeout(() => socket.destroy(), SILENT_MILLIS);
    const onError = () => socket.destroy();
    socket.on("error", onError);
    socket.once("close", () => clearTimeout(silent));
    let seen: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      if (seen.length < PREFACE.length && PREFACE.subarray(0, seen.length).equals(seen)) return;
      clearTimeout(silent);
      socket.off("data", onData);
      socket.off("error", onError);
      socket.pause();
      socket.unshift(seen);
      const target = seen.subarray(0, PREFACE.length).equals(PREFACE) ? http2 : http1;
      target.emit("connection", socket);
      if (target === http1) socket.resume();
    };
    socket.on("data", onData);
  });
  return { tcp, http2, http1 };
}
