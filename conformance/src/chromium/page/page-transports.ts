import type { Interceptor } from "@connectrpc/connect";
import { createWebTransport } from "@streamkit/client/web";
import { createWebSocketTransport, type WebSocketTransportOptions } from "@streamkit/client/websocket";
import { type Connect, Protocol } from "@streamkit/protocol/conformance";
import type { OpenTransport } from "../../suite/client/transports.ts";

/** The protocols that a page speaks over fetch. The browser chooses the version of HTTP. */
const FETCH_PROTOCOLS: Readonly<Partial<Record<Protocol, "connect" | "grpc-web">>> = {
  [Protocol.CONNECT_H1]: "connect",
  [Protocol.GRPC_WEB]: "grpc-web",
};

/** Options of a WebSocket for clients that do not try again: Chromium lets a page with many sockets wait. */
export const PATIENT: Pick<WebSocketTransportOptions, "openTimeoutMillis"> = { openTimeoutMillis: 120_000 };

/**
 * Opens a transport of the SDK in a page.
 *
 * @param options of a WebSocket
 * @throws Error for a protocol that pages do not speak
 */
export function openPageTransport(
  { url: baseUrl, token, protocol }: Connect,
  options: Pick<WebSocketTransportOptions, "openTimeoutMillis"> = {},
): OpenTransport {
  if (protocol === Protocol.WEBSOCKET) {
    const transport = createWebSocketTransport({ baseUrl, ...options, ...(token !== "" && { token }) });
    return { transport, close: () => transport.close() };
  }
  const overFetch = FETCH_PROTOCOLS[protocol];
  if (overFetch === undefined) throw new Error(`a page does not speak ${Protocol[protocol]}`);
  const interceptors = token === "" ? [] : [bearer(token)];
  return { transport: createWebTransport({ baseUrl, protocol: overFetch, interceptors }), close: () => {} };
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
