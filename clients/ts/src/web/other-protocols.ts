import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import type { FetchOptions } from "./connect-over-fetch.ts";

/** JSON and gRPC-Web over fetch. A transport that uses them loads this module with its first call. */
export function otherTransport(protocol: "connect" | "grpc-web", json: boolean, options: FetchOptions): Transport {
  const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  return create({ ...options, useBinaryFormat: !json });
}
