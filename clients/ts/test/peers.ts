import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { createStreamkit, type Listener, memoryStorage, type Streamkit } from "@streamkit/server";
import { createNodeTransport } from "../src/node.ts";
import { createWebTransport } from "../src/web.ts";
import { createWebSocketTransport } from "../src/websocket.ts";

/** A real server, with a port. */
export interface RunningServer extends AsyncDisposable {
  readonly streamkit: Streamkit;
  readonly listener: Listener;
}

/** Starts a server on a free port, or on a given one. */
export async function startServer(port = 0, storage = memoryStorage()): Promise<RunningServer> {
  const streamkit = createStreamkit({ storage });
  const listener = await streamkit.listen({ port });
  return { streamkit, listener, [Symbol.asyncDispose]: () => streamkit.close() };
}

/** Every way to reach a server that this package knows. */
export const TRANSPORTS: Record<string, (server: RunningServer) => Transport> = {
  "in-process": ({ streamkit }) => streamkit.transport(),
  "in-process, not described": ({ streamkit }) => createRouterTransport(streamkit.routes),
  "gRPC, HTTP/2": ({ listener }) => createNodeTransport({ baseUrl: listener.url }),
  "gRPC, HTTP/2, JSON": ({ listener }) => createNodeTransport({ baseUrl: listener.url, json: true }),
  "Connect, HTTP/2": ({ listener }) => createNodeTransport({ baseUrl: listener.url, protocol: "connect" }),
  "Connect, HTTP/2, JSON": ({ listener }) =>
    createNodeTransport({ baseUrl: listener.url, protocol: "connect", json: true }),
  "gRPC-Web, HTTP/2": ({ listener }) => createNodeTransport({ baseUrl: listener.url, protocol: "grpc-web" }),
  "Connect, HTTP/1.1": ({ listener }) => createNodeTransport({ baseUrl: listener.url, httpVersion: "1.1" }),
  "Connect, HTTP/1.1, JSON": ({ listener }) =>
    createNodeTransport({ baseUrl: listener.url, httpVersion: "1.1", json: true }),
  "gRPC-Web, HTTP/1.1": ({ listener }) =>
    createNodeTransport({ baseUrl: listener.url, httpVersion: "1.1", protocol: "grpc-web" }),
  WebSocket: ({ listener }) => createWebSocketTransport({ baseUrl: listener.url }),
  "Connect, fetch": ({ listener }) => createWebTransport({ baseUrl: listener.url }),
  "Connect, fetch, JSON": ({ listener }) => createWebTransport({ baseUrl: listener.url, json: true }),
  "gRPC-Web, fetch": ({ listener }) => createWebTransport({ baseUrl: listener.url, protocol: "grpc-web" }),
};
