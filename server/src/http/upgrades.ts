import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";

/** Path at which clients open WebSockets: docs/websocket.md. */
export const SOCKET_PATH = "/streamkit.v1/socket";

/** Takes over an HTTP/1.1 request that asks for another protocol. Returns false if it ignores the request. */
export type UpgradeListener = (request: IncomingMessage, connection: Duplex, head: Buffer) => boolean;

/**
 * Passes requests that ask for another protocol to a listener. If the listener ignores a request, the server answers it
 * as if it had not asked for an upgrade, as HTTP allows: some clients ask for h2c with every request. Node does not
 * read on after the headers of such a request, so this function feeds the request into the server again, without its
 * upgrade headers.
 *
 * Unnecessary once all supported versions of Node have `shouldUpgradeCallback` (24.9).
 *
 * @param connectionEvent the event with which the server takes a connection
 */
export function onUpgrade(server: Server, connectionEvent: string, listener: UpgradeListener): void {
  server.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    if (listener(request, connection, head)) return;
    if (head.length > 0) connection.unshift(head);
    connection.unshift(Buffer.from(withoutUpgrade(request), "latin1"));
    server.emit(connectionEvent, connection);
    connection.resume();
  });
}

function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = "", value = ""] = rawHeaders.slice(at, at + 2);
    if (/^(upgrade|http2-settings)$/i.test(name)) continue;
    lines.push(`${name}: ${/^connection$/i.test(name) ? withoutWish(value) : value}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Returns the options of a `Connection` header without those of an upgrade. */
function withoutWish(value: string): string {
  const options = value.split(",").map((option) => option.trim());
  return options.filter((option) => !/^(upgrade|http2-settings)$/i.test(option)).join(", ");
}
