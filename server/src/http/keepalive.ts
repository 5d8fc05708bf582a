import type { Http2Session } from "node:http2";

/**
 * Pings an HTTP/2 session and destroys it when an answer does not come within an interval, so that streams to a client
 * that vanished without a word end within two intervals.
 */
export function keepAlive(session: Http2Session, intervalMillis: number): void {
  let waiting = false;
  const timer = setInterval(() => {
    // A session that is on its way out can be destroyed before it says that it is closed; to ping it would throw.
    if (session.destroyed || session.closed) return clearInterval(timer);
    if (waiting) {
      session.destroy();
      return;
    }
    waiting = true;
    session.ping((error) => {
      if (error === null) waiting = false;
    });
  }, intervalMillis);
  timer.unref();
  session.once("close", () => clearInterval(timer));
}
