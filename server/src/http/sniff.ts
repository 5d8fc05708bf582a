import type { Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import { createServer, type Server } from "node:net";

/** The first bytes of every HTTP/2 connection and of no HTTP/1.1 request: RFC 9113, section 3.4. */
const PREFACE = Buffer.from("PRI");

export interface SniffingOptions {
  readonly http1: Http1Server;
  readonly http2: Http2Server;
  /** The server closes a connection that sends no bytes for this long, in milliseconds. */
  readonly silentMillis: number;
}

/**
 * Creates a server for one port without TLS. The first bytes of a connection decide which of the two servers gets it.
 */
export function createSniffingServer({ http1, http2, silentMillis }: SniffingOptions): Server {
  // Node watches connections (timeouts of headers, idle connections on close) only from this event on.
  http1.emit("listening");
  return createServer({ noDelay: true }, (socket) => {
    if (socket.destroyed) return;
    const silent = setTimeout(() => socket.destroy(), silentMillis);
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
      const isHttp2 = seen.subarray(0, PREFACE.length).equals(PREFACE);
      (isHttp2 ? http2 : http1).emit("connection", socket);
      if (!isHttp2) socket.resume();
    };
    socket.on("data", onData);
  });
}
