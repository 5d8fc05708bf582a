import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

/** Every way to reach a port. Each entry makes a transport with its own connection. */
export const WIRE_TRANSPORTS: readonly {
  readonly name: string;
  readonly bidi: boolean;
  make(baseUrl: string): Transport;
}[] = [
  { name: "connect h1", bidi: false, make: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }) },
  { name: "connect h2", bidi: true, make: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }) },
  {
    name: "connect json h1",
    bidi: false,
    make: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  },
  {
    name: "connect json h2",
    bidi: true,
    make: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  },
  { name: "grpc", bidi: true, make: (baseUrl) => createGrpcTransport({ baseUrl }) },
  { name: "grpc json", bidi: true, make: (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false }) },
  { name: "grpc-web h1", bidi: false, make: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }) },
  { name: "grpc-web h2", bidi: true, make: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }) },
  {
    name: "grpc-web json",
    bidi: false,
    make: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  },
];
