import { Readable } from "node:stream";
import type { Transport } from "@connectrpc/connect";
import { universalClientResponseFromFetch } from "@connectrpc/connect/protocol";
import { createTransport as createConnect } from "@connectrpc/connect/protocol-connect";
import type { FetchHandler } from "../src/http/fetch-handler.ts";

export interface FetchTransportOptions {
  readonly baseUrl: string;
  /** `createTransport` of a protocol. Default: Connect's. */
  readonly create?: typeof createConnect;
  /** Default: true. */
  readonly useBinaryFormat?: boolean;
}

/** A transport that calls a handler of the Fetch API, without a port. */
export function fetchTransport(
  fetch: FetchHandler,
  { baseUrl, create = createConnect, useBinaryFormat = true }: FetchTransportOptions,
): Transport {
  return create({
    baseUrl,
    httpClient: async ({ url, body, header, ...request }) => {
      const init = { ...request, headers: header, body: body && Readable.toWeb(Readable.from(body)), duplex: "half" };
      return universalClientResponseFromFetch(await fetch(new Request(url, init as RequestInit)));
    },
    useBinaryFormat,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: 2 ** 24,
    writeMaxBytes: 2 ** 24,
  });
}
