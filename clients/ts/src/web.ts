/** Transports over `fetch`, for browsers and every other runtime that has it. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { invalidArgument } from "./errors/error.ts";
import { type ChecksOf, callback, callbacks, checkOptions, flag, oneOf, text } from "./options.ts";
import { parseBaseUrl } from "./transport/base-url.ts";
import { describeTransport, transportDescription } from "./transport/description.ts";
import { connectOverFetch } from "./web/connect-over-fetch.ts";
import { diagnoseFetch } from "./web/diagnose.ts";
import { type TransportWarning, warnOfManyStreams } from "./web/open-streams.ts";
import { browserPage } from "./web/page.ts";
import { SocketOrFetch } from "./web/socket-or-fetch.ts";
import type { WebSocketTransport } from "./websocket.ts";

export type { TransportWarning } from "./web/open-streams.ts";

/** The way to reach a server with fetch. */
export interface WebTransportOptions {
  /**
   * Address of the server, for example `https://streams.example.com`. On a page it may be a path, such as `/streams`.
   */
  readonly baseUrl: string;
  /**
   * Protocol of all calls. Default `connect`. `websocket` makes all calls over one socket, without the limit of six
   * connections, and streams both ways. `auto` takes a WebSocket for an address with `http://`, where browsers have no
   * HTTP/2, and `connect` for `https://` and wherever no WebSocket opens.
   */
  readonly protocol?: "connect" | "grpc-web" | "websocket" | "auto";
  /** True for JSON instead of binary messages: slower, and readable in the network tab. Default false. */
  readonly json?: boolean;
  /** Interceptors run around every call, for example to add a header. Pass tokens to the client. */
  readonly interceptors?: readonly Interceptor[];
  /** The function that sends requests. Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * Called once when a page has six or more streams open over HTTP/1.1. Browsers allow no more connections to one host,
   * so further calls wait. Default: `console.warn`.
   */
  readonly onWarning?: (warning: TransportWarning) => void;
}

const WEB_TRANSPORT_OPTIONS = {
  baseUrl: text,
  protocol: oneOf("connect", "grpc-web", "websocket", "auto"),
  json: flag,
  interceptors: callbacks,
  fetch: callback,
  onWarning: callback,
} satisfies ChecksOf<WebTransportOptions>;

/**
 * Makes a transport over fetch, or over a WebSocket (`protocol`). Over fetch `produce` sends its transactions one after
 * the other, because fetch has no full duplex.
 *
 * @throws StreamkitError INVALID_FIELD for a malformed address, and for options that are unknown or out of range
 */
export function createWebTransport(options: WebTransportOptions): Transport {
  checkOptions("createWebTransport", options, WEB_TRANSPORT_OPTIONS, ["baseUrl"]);
  const { protocol = "connect", json = false, interceptors = [] } = options;
  const fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
  // biome-ignore lint/suspicious/noConsole: developers of pages look at the console, and the warning comes once.
  const { onWarning = ({ message }) => console.warn(message) } = options;
  const page = browserPage();
  const isPath = page !== undefined && options.baseUrl.startsWith("/");
  const address = parseBaseUrl(isPath ? new URL(options.baseUrl, page.url).href : options.baseUrl);
  const calls = {
    baseUrl: address.href,
    interceptors: [warnOfManyStreams(address, onWarning), ...interceptors],
    fetch,
  };
  const shownAddress = isPath ? address.href : options.baseUrl;
  const mayUseSocket = protocol === "websocket" || (protocol === "auto" && address.protocol === "http:" && !json);
  if (mayUseSocket) {
    if (json) throw invalidArgument("json", "a WebSocket carries binary messages: leave out `json`, or `protocol`");
    let socket: WebSocketTransport | undefined;
    const load = async () => {
      const { createWebSocketTransport } = await import("./websocket.ts");
      socket ??= createWebSocketTransport({ baseUrl: options.baseUrl, interceptors });
      return socket;
    };
    const known = () => (socket === undefined ? undefined : transportDescription(socket));
    const common = { format: "binary", address: shownAddress, probe: () => known()?.probe?.() } as const;
    if (protocol === "websocket") {
      return describeTransport(loaded(load), {
        ...common,
        duplex: true,
        protocol: () => "websocket",
        diagnose: async (failure) => known()?.diagnose?.(failure),
      });
    }
    const either = new SocketOrFetch(load, connectOverFetch(calls));
    return describeTransport(either, {
      ...common,
      duplex: () => either.usesSocket(),
      protocol: () => either.choice,
      diagnose: () => diagnoseFetch(address, fetch),
    });
  }
  const transport =
    (protocol === "connect" || protocol === "auto") && !json
      ? connectOverFetch(calls)
      : loaded(async () =>
          (await import("./web/other-protocols.ts")).otherTransport(
            protocol === "grpc-web" ? protocol : "connect",
            json,
            calls,
          ),
        );
  return describeTransport(transport, {
    format: json ? "json" : "binary",
    duplex: false,
    protocol: () => "fetch",
    address: shownAddress,
    diagnose: () => diagnoseFetch(address, fetch),
  });
}

/** A transport whose module loads with the first call. */
function loaded(load: () => Promise<Transport>): Transport {
  let transport: Promise<Transport> | undefined;
  const get = () => {
    transport ??= load().catch((error) => {
      transport = undefined;
      throw error;
    });
    return transport;
  };
  return {
    unary: async (...call) => (await get()).unary(...call),
    stream: async (...call) => (await get()).stream(...call),
  };
}
