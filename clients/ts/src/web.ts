/** Transports over `fetch`: browsers, and every other runtime that has it. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { parseBaseUrl } from "./transport/base-url.ts";
import { describeTransport } from "./transport/description.ts";

/** How to reach a server with fetch. */
export interface WebTransportOptions {
  /** Address of the server, for example `https://streams.example.com`. */
  readonly baseUrl: string;
  /** Default `connect`. */
  readonly protocol?: "connect" | "grpc-web";
  /** JSON instead of binary messages: slower, and readable in the network tab. Default false. */
  readonly json?: boolean;
  /** Run around every call, for example to add an `authorization` header. */
  readonly interceptors?: readonly Interceptor[];
  /** Replaces the global fetch. */
  readonly fetch?: typeof globalThis.fetch;
}

/** Makes a transport over fetch. `produce` then sends its transactions one after the other: fetch has no full duplex. */
export function createWebTransport(options: WebTransportOptions): Transport {
  const { baseUrl, protocol = "connect", json = false, interceptors = [], fetch } = options;
  const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  parseBaseUrl(baseUrl);
  const transport = create({
    baseUrl,
    useBinaryFormat: !json,
    interceptors: [...interceptors],
    ...(fetch === undefined ? {} : { fetch }),
  });
  return describeTransport(transport, { format: json ? "json" : "binary", duplex: false, address: baseUrl });
}
