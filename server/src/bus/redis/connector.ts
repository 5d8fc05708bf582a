import net from "node:net";
import tls from "node:tls";
import type { RedisOptions } from "ioredis";
import type { ServerUrl } from "../remote/server-url.ts";
import type { RedisClient } from "./client.ts";

/**
 * How the library gets its sockets: as it would make them, with one difference. It listens for the first error of a
 * socket only, and a TLS handshake that is cut short may have two. The second one would end the process.
 *
 * @param patienceMillis how long a server may take to close its side of a connection that is given up
 */
export function connectorFor(
  { AbstractConnector }: RedisClient,
  { scheme, host, port }: ServerUrl,
  patienceMillis: number,
): NonNullable<RedisOptions["Connector"]> {
  return class Connector extends AbstractConnector {
    constructor() {
      super(patienceMillis);
    }

    async connect(): Promise<net.Socket> {
      this.connecting = true;
      const socket = scheme === "rediss" ? tls.connect({ host, port }) : net.connect({ host, port });
      socket.on("error", (error) => {
        // What the library tells of when the socket is gone before it looks.
        this.firstError ??= error;
      });
      this.stream = socket;
      return socket;
    }
  };
}
