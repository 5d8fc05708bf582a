/** Transports over `fetch`, for browsers and every other runtime that has it. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { type ChecksOf, callback, callbacks, checkOptions, flag, oneOf, text } from "./options.ts";
import { parseBaseUrl } from "./transport/base-url.ts";
import { describeTransport } from "./transport/description.ts";
import { connectOverFetch } from "./web/connect-over-fetch.ts";
import { diagnoseFetch } from "./web/diagnose.ts";
import { type TransportWarning, warnOfManyStreams } from "./web/open-streams.ts";
import { browserPage } from "./web/page.ts";

export type { TransportWarning } from "./web/open-streams.ts";

/** The way to reach a server with fetch. */
export interface WebTransportOptions {
  /**
   * Address of the server, for example `https://streams.example.com`. On a page it may be a path, such as `/streams`.
   */
  readonly baseUrl: string;
  /** Protocol of all calls. Default `connect`. */
  readonly protocol?: "connect" | "grpc-web";
  /** True for JSON instead of binary messages: slower, and readable in the network tab. Default false. */
  readonly json?: boolean;
  /** Interceptors run around every call, for example to add an `authorization` header. */
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
  protocol: oneOf("connect", "grpc-web"),
  json: flag,
  interceptors: callbacks,
  fetch: callback,
  onWarning: callback,
} satisfies ChecksOf<WebTransportOptions>;

/**
 * Makes a transport over fetch. `produce` sends its transactions one after the other, because fetch has no full duplex.
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
  const transport =
    protocol === "connect" && !json
      ? connectOverFetch(calls)
      : loaded(async () => (await import("./web/other-protocols.ts")).otherTransport(protocol, json, calls));
  return describeTransport(transport, {
    format: json ? "json" : "binary",
    duplex: false,
    address: isPath ? address.href : options.baseUrl,
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
