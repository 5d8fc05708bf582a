import type { Transport } from "@connectrpc/connect";
import { type ClientOptions, describeTransport } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { createWebSocketTransport } from "@streamkit/client/websocket";
import { type Connect, Protocol } from "@streamkit/protocol/conformance";

/** A transport of the SDK, and the options of the client that belong to it. */
export interface OpenSdkTransport {
  readonly options: Pick<ClientOptions, "transport" | "wireFormat">;
  close(): void;
}

/** Opens the transport of the SDK for a connect operation. */
export type SdkTransportOpener = (connect: Connect) => OpenSdkTransport;

/** Options of the SDK for each `Protocol`. */
const OPTIONS: Readonly<Partial<Record<Protocol, Omit<Parameters<typeof createNodeTransport>[0], "baseUrl">>>> = {
  [Protocol.CONNECT_H1]: { protocol: "connect", httpVersion: "1.1" },
  [Protocol.CONNECT_H2]: { protocol: "connect", httpVersion: "2" },
  [Protocol.GRPC]: { protocol: "grpc", httpVersion: "2" },
  [Protocol.GRPC_WEB]: { protocol: "grpc-web", httpVersion: "2" },
  [Protocol.CONNECT_JSON]: { protocol: "connect", httpVersion: "2", json: true },
};

/**
 * Returns a function that opens transports of the SDK in Node.js. It throws an Error for a server in this process if
 * there is none.
 *
 * @param inProcess finds a server in this process by its URL
 */
export function sdkTransports(inProcess?: (url: string) => Transport): SdkTransportOpener {
  return ({ url, protocol }) => {
    if (protocol === Protocol.WEBSOCKET) {
      const transport = createWebSocketTransport({ baseUrl: url });
      return { options: { transport }, close: () => transport.close() };
    }
    if (protocol !== Protocol.IN_PROCESS) {
      const transport = createNodeTransport({ baseUrl: url, ...OPTIONS[protocol] } as never);
      return { options: { transport }, close: () => {} };
    }
    if (inProcess === undefined) throw new Error("there is no server in this process");
    // Looks the server up at each call, because a restart replaces it.
    const current: Transport = {
      unary: (...call) => inProcess(url).unary(...call),
      stream: (...call) => inProcess(url).stream(...call),
    };
    const transport = describeTransport(current, { format: "binary", duplex: true });
    return { options: { transport, wireFormat: "json" }, close: () => {} };
  };
}
