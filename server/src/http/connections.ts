import type { Server, Socket } from "node:net";
import type { ServerLimits } from "../budgets/limits.ts";
import { connectionsFor, fileLimit } from "./open-files.ts";

/** The open connections of a port. */
export interface Connections {
  /** Closes all connections at once. */
  destroy(): void;
}

/**
 * Keeps the connections of a port within their limits. A connection beyond the limit of the server or of its address is
 * closed at once. The limit of the server leaves files free for storage (`connectionsFor`).
 *
 * @param onRefused receives a message for each connection that is closed because of a limit
 */
export function limitConnections(
  server: Server,
  limits: ServerLimits,
  onRefused: (message: string) => void,
): Connections {
  const open = new Set<Socket>();
  const byAddress = new Map<string, number>();
  const most = connectionsFor(limits.connections, fileLimit());
  // Comes before the listener of the server, which ignores sockets that are closed.
  server.prependListener("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "local";
    const others = byAddress.get(address) ?? 0;
    const full =
      open.size >= most
        ? `all ${most} connections (limits.connections) are in use`
        : others >= limits.connectionsPerAddress
          ? `${address} has ${others} connections (limits.connectionsPerAddress)`
          : undefined;
    if (full !== undefined) {
      // A peer may reset the connection at the same time, which must not end the process.
      socket.on("error", () => undefined);
      socket.destroy();
      return onRefused(`a connection was closed: ${full}`);
    }
    open.add(socket);
    byAddress.set(address, others + 1);
    socket.once("close", () => {
      open.delete(socket);
      const left = (byAddress.get(address) ?? 1) - 1;
      if (left === 0) byAddress.delete(address);
      else byAddress.set(address, left);
    });
  });
  return {
    destroy() {
      for (const socket of open) socket.destroy();
    },
  };
}
