/** A transport over one WebSocket of the platform: browsers, Node.js, Deno and Bun. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { type ChecksOf, callback, callbacks, checkOptions, count, millis, opaque, text } from "./options.ts";
import { parseBaseUrl } from "./transport/base-url.ts";
import { describeTransport } from "./transport/description.ts";
import { browserPage } from "./web/page.ts";
import { diagnoseSocket } from "./websocket/diagnose.ts";
import { Dialer } from "./websocket/dialer.ts";
import { type OpenWebSocket, platformWebSocket } from "./websocket/platform.ts";
import { SocketTransport } from "./websocket/socket-transport.ts";
import { withInterceptors } from "./websocket/with-interceptors.ts";

export type { OpenWebSocket, WebSocketLike } from "./websocket/platform.ts";

/** The way to reach a server over a WebSocket. */
export interface WebSocketTransportOptions {
  /**
   * Address of the server, as for other transports, for example `https://streams.example.com`. On a page it may be a
   * path, such as `/streams`.
   */
  readonly baseUrl: string;
  /**
   * Headers of all calls. They go to the server once per socket. The transport calls a function before each socket, and
   * in `refresh`. Pass tokens to the client, which replaces them as they end.
   */
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
  /** Interceptors run around every call. Headers that they set belong to the call, and override `headers`. */
  readonly interceptors?: readonly Interceptor[];
  /** Largest message that the client accepts, in bytes. Default 8 MiB. */
  readonly readMaxBytes?: number;
  /** Time for a socket to open, in milliseconds. Default 5,000. */
  readonly openTimeoutMillis?: number;
  /** Silence on a socket with open calls before the client probes it, in milliseconds. Default 10,000. */
  readonly pingIntervalMillis?: number;
  /** Time that a probe may take before the socket is lost, in milliseconds. Default 5,000. */
  readonly pingTimeoutMillis?: number;
  /**
   * Opens the WebSocket in place of the platform, for example by the package `ws`, which takes certificates:
   * `(url, protocol) => new WebSocket(url, protocol, { ca })`.
   */
  readonly webSocket?: OpenWebSocket;
}

const WEBSOCKET_TRANSPORT_OPTIONS = {
  baseUrl: text,
  headers: opaque,
  interceptors: callbacks,
  readMaxBytes: count(1),
  openTimeoutMillis: millis(1),
  pingIntervalMillis: millis(1),
  pingTimeoutMillis: millis(1),
  webSocket: callback,
} satisfies ChecksOf<WebSocketTransportOptions>;

/** A transport with functions to open, refresh and close its socket. */
export interface WebSocketTransport extends Transport, Disposable {
  /** Opens the socket now, unless it is open. Rejects if it does not open. */
  connect(): Promise<void>;
  /** Calls `headers` again, and sends the result to the server, for all calls from now on. */
  refresh(): Promise<void>;
  /** Closes the socket. Open calls and all later calls end with CANCELED. */
  close(): void;
}

/**
 * Makes a transport over a WebSocket. It connects with its first call, and again after it lost a socket.
 *
 * In Node.js an idle socket does not keep the process alive. In Deno and Bun, and with a `webSocket` of your own, it
 * does: close the transport at the end.
 *
 * @throws StreamkitError INVALID_FIELD for a malformed address, and for options that are unknown or out of range
 */
export function createWebSocketTransport(options: WebSocketTransportOptions): WebSocketTransport {
  checkOptions("createWebSocketTransport", options, WEBSOCKET_TRANSPORT_OPTIONS, ["baseUrl"]);
  const { baseUrl, headers, interceptors = [] } = options;
  const page = browserPage();
  const isPath = page !== undefined && baseUrl.startsWith("/");
  const address = parseBaseUrl(isPath ? new URL(baseUrl, page.url).href : baseUrl);
  const url = `${address.href.replace(/^http/, "ws").replace(/\/$/, "")}/streamkit.v1/socket`;
  const dialer = new Dialer({
    url,
    open: options.webSocket ?? platformWebSocket,
    openTimeoutMillis: options.openTimeoutMillis ?? 5_000,
    pingIntervalMillis: options.pingIntervalMillis ?? 10_000,
    pingTimeoutMillis: options.pingTimeoutMillis ?? 5_000,
    readMaxBytes: options.readMaxBytes ?? 8 * 1_048_576,
    headers: async () => (typeof headers === "function" ? headers() : headers),
  });
  const plain = new SocketTransport(dialer);
  const transport = interceptors.length === 0 ? plain : withInterceptors(plain, interceptors, address.href);
  const described = describeTransport(transport, {
    format: "binary",
    duplex: true,
    address: isPath ? address.href : baseUrl,
    probe: () => dialer.doubt(),
    diagnose: () => diagnoseSocket(url, () => dialer.isRefused()),
    protocol: () => "websocket",
  });
  const close = () => dialer.close();
  const connect = async () => {
    await dialer.connect();
  };
  return Object.assign(described, { connect, refresh: () => dialer.refresh(), close, [Symbol.dispose]: close });
}
