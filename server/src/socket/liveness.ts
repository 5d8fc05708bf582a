import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/**
 * Pings a client, and calls `onDead` if there is no sign of life within an interval. Signs of life are bytes from the
 * client, and progress with bytes that wait for it: a ping waits behind those. If this process stood still for longer
 * than the interval, the function first reads the bytes that arrived meanwhile.
 *
 * @returns a function that stops the pings
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
