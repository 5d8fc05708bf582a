import net from "node:net";
import tls from "node:tls";
import type { RedisOptions } from "ioredis";
import type { ServerUrl } from "../remote/server-url.ts";
import type { RedisClient } from "./client.ts";

/**
 * Makes the sockets of the client library as the library itself does, but with an error listener that stays. The
 * library listens for the first error of a socket only. An interrupted TLS handshake may emit two, and the second would
 * end the process.
 *
 * @param patienceMillis how long a server may take to close its side of an abandoned connection
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
        // The library reports this error if the socket is gone before it looks.
        this.firstError ??= error;
      });
      this.stream = socket;
      return socket;
    }
  };
}
