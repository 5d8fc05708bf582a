import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

const open = new WeakMap<Socket, Set<ServerResponse>>();

/**
 * Makes an HTTP/1.1 response end at the latest with its connection.
 *
 * A client may send requests before it has earlier answers. Their responses wait for the connection. If the client then
 * upgrades the connection, Node forgets the waiting responses: they never close, and their calls hold streams and
 * memory until the process ends. Older versions of Node (20) forget them without an upgrade too.
 */
export function closeWithSocket(response: ServerResponse, socket: Socket): void {
  let responses = open.get(socket);
  if (responses === undefined) {
    const waiting = new Set<ServerResponse>();
    responses = waiting;
    open.set(socket, waiting);
    // Node closes what it can at the same event, or directly after it.
    socket.once("close", () => setImmediate(() => closeAll(waiting)));
  }
  const all = responses;
  all.add(response);
  response.once("close", () => all.delete(response));
}

function closeAll(responses: ReadonlySet<ServerResponse>): void {
  for (const response of [...responses]) {
    response.destroy();
    response.emit("close");
  }
}
