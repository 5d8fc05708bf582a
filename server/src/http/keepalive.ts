import type { Http2Session } from "node:http2";

/**
 * Pings an HTTP/2 session and destroys it when nothing comes within an interval, so that streams to a client that
 * vanished without a word end within two intervals. A client whose answer is late, but whose bytes arrive, is there;
 * and after a turn in which this process stood still for longer than the interval, what has arrived meanwhile is read
 * first.
 */
export function keepAlive(session: Http2Session, intervalMillis: number): void {
  let waiting = false;
  let readBefore = 0;
  const timer = setInterval(() => {
    // A session that is on its way out can be destroyed before it says that it is closed; to ping it would throw.
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

/** Bytes that have come from the client. */
function bytesRead(session: Http2Session): number {
  return session.socket?.bytesRead ?? 0;
}
