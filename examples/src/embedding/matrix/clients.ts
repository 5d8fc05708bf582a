import { createStreamkitClient } from "@streamkit/client";
import { createNodeTransport, type NodeTransportOptions } from "@streamkit/client/node";
import { createWebTransport } from "@streamkit/client/web";
import { curlRoundTrip } from "./curl.ts";
import { grpcRoundTrip } from "./grpc.ts";
import { grpcurlRoundTrip } from "./grpcurl.ts";

/** The address of a server, for a client. */
export interface Target {
  readonly baseUrl: string;
  /** Certificate of the server in PEM, and the file with it. Absent without TLS. */
  readonly tls?: { readonly cert: string; readonly certFile: string };
  /** Set for a server without a port, which only clients over fetch can call. */
  readonly fetch?: typeof globalThis.fetch;
}

export type HttpVersion = "1.1" | "2";

/** A kind of client, and its requirements on a server. */
export interface MatrixClient {
  readonly name: string;
  /**
   * Appends, reads back, and follows one live entry. Rejects with the client's own message if it cannot use the server.
   */
  roundTrip(target: Target, signal: AbortSignal): Promise<void>;
  /** Versions of HTTP that the client can use, without and with TLS. */
  readonly http: { readonly plain: readonly HttpVersion[]; readonly tls: readonly HttpVersion[] };
  /** True if the client speaks gRPC, which needs trailers. */
  readonly grpc?: true;
  /** The error of a gRPC client about a server without trailers, if the client does not show the text of the server. */
  readonly refusal?: RegExp;
  /** True if the client can call a function instead of a port. */
  readonly overFetch?: true;
  /** The error of the client about a server with another version of HTTP. */
  readonly complaint: RegExp;
}

type Transport = Parameters<typeof createStreamkitClient>[0]["transport"];

const MIB = 1_048_576;

async function streamkitRoundTrip(transport: Transport, signal: AbortSignal): Promise<void> {
  const client = createStreamkitClient({ transport });
  const segment = client.store(crypto.randomUUID()).space("matrix").segment("a");
  // The largest transaction, because frameworks have limits of their own for bodies.
  await segment.append([new Uint8Array(MIB).fill(1)], { expectedLastSequence: 0, signal });
  const read: number[] = [];
  for await (const { payload } of segment.consume({ signal })) read.push(payload.length, payload[MIB - 1]);
  for await (const { sequence, payload } of segment.follow({ signal })) {
    read.push(payload.length, payload[payload.length - 1]);
    if (sequence === 2) break;
    await segment.append([Uint8Array.of(2)], { signal });
  }
  const { lastSequence } = await segment.produce([Uint8Array.of(3), Uint8Array.of(4)], { signal });
  read.push(lastSequence);
  const expected = [MIB, 1, MIB, 1, 1, 2, 4].join();
  if (read.join() !== expected) throw new Error(`read ${read}; expected ${expected}`);
}

const node =
  (options: Omit<NodeTransportOptions, "baseUrl">): MatrixClient["roundTrip"] =>
  ({ baseUrl, tls }, signal) =>
    streamkitRoundTrip(
      createNodeTransport({ baseUrl, ...options, ...(tls && { nodeOptions: { ca: tls.cert } }) }),
      signal,
    );

const web =
  (protocol: "connect" | "grpc-web"): MatrixClient["roundTrip"] =>
  ({ baseUrl, fetch = globalThis.fetch }, signal) =>
    streamkitRoundTrip(createWebTransport({ baseUrl, protocol, fetch }), signal);

const only = (version: HttpVersion) => ({ plain: [version], tls: [version] });

const NOT_HTTP1 = /^the server does not answer in HTTP\/1\.1 \(.+\): check the port/;

const ALWAYS: readonly MatrixClient[] = [
  // This client detects the HTTP version of the server, and whether the server accepts gRPC.
  { name: "Node client", http: { plain: ["1.1", "2"], tls: ["1.1", "2"] }, roundTrip: node({}), complaint: /./ },
  { name: "Node client, HTTP/1.1", http: only("1.1"), roundTrip: node({ httpVersion: "1.1" }), complaint: NOT_HTTP1 },
  {
    name: "Node client, gRPC",
    http: only("2"),
    grpc: true,
    roundTrip: node({ protocol: "grpc" }),
    complaint: /^gRPC needs HTTP\/2, and the server speaks HTTP\/1.1 only: leave out/,
  },
  {
    name: "grpc-js",
    http: only("2"),
    grpc: true,
    roundTrip: grpcRoundTrip,
    complaint: /No connection established/,
    refusal: /Received HTTP status code 415/,
  },
  {
    name: "web client, gRPC-Web",
    http: only("1.1"),
    overFetch: true,
    roundTrip: web("grpc-web"),
    complaint: NOT_HTTP1,
  },
  { name: "web client", http: only("1.1"), overFetch: true, roundTrip: web("connect"), complaint: NOT_HTTP1 },
  {
    name: "curl",
    http: only("1.1"),
    roundTrip: curlRoundTrip({ plain: ["--http1.1"], tls: ["--http1.1"] }),
    complaint: /^curl: \(1\) Received HTTP\/0.9 when not allowed$/,
  },
  {
    name: "curl, HTTP/2",
    // With TLS, curl uses the version that both sides support.
    http: { plain: ["2"], tls: ["1.1", "2"] },
    roundTrip: curlRoundTrip({ plain: ["--http2-prior-knowledge"], tls: ["--http2"] }),
    complaint: /^curl: \(\d+\) .+$/,
  },
];

/** Some machines lack this program. The variable `GRPCURL` gives its path. */
const { GRPCURL } = process.env;
const grpcurl: readonly MatrixClient[] =
  GRPCURL === undefined
    ? []
    : [
        {
          name: "grpcurl",
          http: only("2"),
          grpc: true,
          roundTrip: grpcurlRoundTrip(GRPCURL),
          complaint: /./,
          refusal: /./,
        },
      ];

export const CLIENTS = [...ALWAYS, ...grpcurl];
