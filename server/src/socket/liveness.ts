import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/**
 * Pings a client, and tells when nothing comes from it within an interval. Its bytes count as an answer, and so does
 * progress with bytes that waited for it: a ping waits behind them. After a turn in which this process stood still for
 * longer than the interval, the bytes that have arrived meanwhile are read first.
 *
 * @returns ends the pings
 */
export function watchLiveness(
  socket: WebSocket,
  connection: Duplex,
  intervalMillis: number,
  onDead: () => void,
): () => void {
  const tcp = connection as Partial<Socket>;
  const written = () => (tcp.bytesWritten ?? 0) - connection.writableLength;
  let waiting = false;
  let readBefore = 0;
  let writtenBefore = 0;
  let backlog = false;
  const mark = () => {
    readBefore = tcp.bytesRead ?? 0;
    backlog = connection.writableLength > 0;
    writtenBefore = written();
  };
  const timer = setInterval(() => {
    if (waiting) {
      setImmediate(() => {
        if (!waiting) return;
        const isAlive = (tcp.bytesRead ?? 0) !== readBefore || (backlog && written() > writtenBefore);
        if (!isAlive) onDead();
        mark();
      });
      return;
    }
    waiting = true;
    mark();
    socket.ping();
  }, intervalMillis);
  timer.unref();
  const onPong = () => {
    waiting = false;
  };
  socket.on("pong", onPong);
  return () => {
    waiting = false;
    clearInterval(timer);
  };
}
