import type { Http2Session } from "node:http2";

/**
 * Pings an HTTP/2 session, and destroys it if no bytes arrive within an interval after a ping. Streams of a client that
 * vanished thus end within two intervals.
 *
 * A client counts as alive while its bytes arrive, even if its answer to the ping is late. If this process stood still
 * for longer than the interval, the function first reads the bytes that arrived meanwhile.
 */
export function keepAlive(session: Http2Session, intervalMillis: number): void {
  let waiting = false;
  let readBefore = 0;
  const timer = setInterval(() => {
    // A session can be destroyed before its "close" event; a ping would then throw.
    if (session.destroyed || session.closed) return clearInterval(timer);
    if (waiting) {
      setImmediate(() => {
        if (session.destroyed || !waiting) return;
        const read = bytesRead(session);
        if (read === readBefore) session.destroy();
        readBefore = read;
      });
      return;
    }
    waiting = true;
    readBefore = bytesRead(session);
    session.ping((error) => {
      if (error === null) waiting = false;
    });
  }, intervalMillis);
  timer.unref();
  session.once("close", () => clearInterval(timer));
}

/** Bytes received from the client. */
function bytesRead(session: Http2Session): number {
  return session.socket?.bytesRead ?? 0;
}
