import type { Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { createWebSocketTransport } from "@streamkit/client/websocket";
import { type Connect, Protocol } from "@streamkit/protocol/conformance";

/** A transport with its own connection. */
export interface OpenTransport {
  readonly transport: Transport;
  close(): void;
}

/** Opens the transport for a connect operation. */
export type TransportOpener = (connect: Connect) => OpenTransport;

/**
 * Returns a function that opens transports of Node.js. It throws an Error for a server in this process if there is
 * none.
 *
 * @param inProcess finds a server in this process by its URL
 */
export function nodeTransports(inProcess?: (url: string) => Transport): TransportOpener {
  return (connect) => openTransport(connect, inProcess);
}

function openTransport(connect: Connect, inProcess?: (url: string) => Transport): OpenTransport {
  if (connect.protocol === Protocol.IN_PROCESS) {
    if (inProcess === undefined) throw new Error("there is no server in this process");
    return { transport: withToken(inProcess(connect.url), connect.token), close: () => {} };
  }
  const baseUrl = connect.url;
  const interceptors = connect.token === "" ? [] : [bearer(connect.token)];
  const compression = { acceptCompression: [] };
  if (connect.protocol === Protocol.CONNECT_H1) {
    return {
      transport: createConnectTransport({ httpVersion: "1.1", baseUrl, interceptors, ...compression }),
      close: () => {},
    };
  }
  if (connect.protocol === Protocol.WEBSOCKET) {
    // The token comes with each call. A server refuses an upgrade with a bad token before any call can show the reason.
    const transport = createWebSocketTransport({ baseUrl, interceptors });
    return { transport, close: () => transport.close() };
  }
  const sessionManager = new Http2SessionManager(baseUrl);
  const close = (): void => sessionManager.abort();
  const options = { httpVersion: "2", baseUrl, interceptors, sessionManager, ...compression } as const;
  if (connect.protocol === Protocol.GRPC) return { transport: createGrpcTransport(options), close };
  if (connect.protocol === Protocol.GRPC_WEB) return { transport: createGrpcWebTransport(options), close };
  const useBinaryFormat = connect.protocol !== Protocol.CONNECT_JSON;
  return { transport: createConnectTransport({ ...options, useBinaryFormat }), close };
}

function bearer(token: string): NonNullable<Parameters<typeof createConnectTransport>[0]["interceptors"]>[number] {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

function withToken(transport: Transport, token: string): Transport {
  if (token === "") return transport;
  const more = (header: HeadersInit | undefined): Headers => {
    const headers = new Headers(header);
    headers.set("authorization", `Bearer ${token}`);
    return headers;
  };
  return {
    unary: (method, signal, timeout, header, ...rest) =>
      transport.unary(method, signal, timeout, more(header), ...rest),
    stream: (method, signal, timeout, header, ...rest) =>
      transport.stream(method, signal, timeout, more(header), ...rest),
  };
}
