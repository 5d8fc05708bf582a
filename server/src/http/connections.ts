import type { Server, Socket } from "node:net";
import type { ServerLimits } from "../budgets/limits.ts";
import { connectionsFor, fileLimit } from "./open-files.ts";

/** The open connections of a port. */
export interface Connections {
  /** Closes all of them at once. */
  destroy(): void;
}

/**
 * Keeps the connections of a port within their limits: one more than the server or its address may have is closed at
 * once. Files stay free for storage.
 *
 * @param onRefused told of every connection that is closed so
 */
export function limitConnections(
  server: Server,
  limits: ServerLimits,
  onRefused: (message: string) => void,
): Connections {
  const open = new Set<Socket>();
  const byAddress = new Map<string, number>();
  const most = connectionsFor(limits.connections, fileLimit());
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "local";
    const others = byAddress.get(address) ?? 0;
    const full =
      open.size >= most
        ? `all ${most} connections (limits.connections) are in use`
        : others >= limits.connectionsPerAddress
          ? `${address} has ${others} connections (limits.connectionsPerAddress)`
          : undefined;
    if (full !== undefined) {
      // Listeners that come behind this one may use the socket in this turn; none must break for it.
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
