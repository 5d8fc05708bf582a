/** Client certificates as credentials, over each protocol of a port. */
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { AppendRequestSchema, StreamService } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  certificateAuthentication,
  createStreamkit,
  Grants,
  type Listener,
  memoryStorage,
  type Streamkit,
} from "../../src/index.ts";
import { RawSocket } from "../socket/raw-socket.ts";
import { type Authority, makeAuthority, type Pair } from "./authority.ts";

const storeId = "11111111-2222-4333-8444-555555555555";
const request = { storeId, space: "s", appends: [{ segment: "a", records: [{ payload: new Uint8Array(1) }] }] };
const grants = new Map([
  ["spiffe://example/writer", Grants.of([{ store: storeId, verbs: ["read", "append"] }])],
  ["reader.example", Grants.of([{ store: storeId, verbs: ["read"] }])],
]);

let authority: Authority;
let streamkit: Streamkit;
let listener: Listener;
const pairs = new Map<string, Pair>();

beforeAll(async () => {
  authority = await makeAuthority();
  const server = await authority.issue({ names: ["IP:127.0.0.1"] });
  pairs.set("writer", await authority.issue({ names: ["DNS:reader.example", "URI:spiffe://example/writer"] }));
  pairs.set("reader", await authority.issue({ names: ["DNS:reader.example"] }));
  // Its distinguished name looks like the URI of another client.
  pairs.set("stranger", await authority.issue({ subject: "/CN=spiffe:\\/\\/example\\/writer" }));
  await using foreign = await makeAuthority("foreign");
  pairs.set("forger", await foreign.issue({ names: ["URI:spiffe://example/writer"] }));
  streamkit = createStreamkit({
    storage: memoryStorage(),
    authenticate: certificateAuthentication({ grantsOf: (subject) => grants.get(subject) }),
    onEvent: () => undefined,
  });
  const tls = { ...server, clientCa: authority.cert, clientCertificate: "request" } as const;
  listener = await streamkit.listen({ port: 0, tls });
});
afterAll(async () => {
  await streamkit.close();
  await authority[Symbol.asyncDispose]();
});

/** Appends with a certificate. Resolves to the code of the answer; 0 if the append succeeded. */
type Append = (pair: Pair | undefined) => Promise<number>;

const overHttp =
  (make: (nodeOptions: object) => Parameters<typeof createClient>[1]): Append =>
  async (pair) => {
    const client = createClient(StreamService, make({ ca: authority.cert, ...pair }));
    return client.append(request).then(
      () => 0,
      (error: ConnectError) => error.code,
    );
  };

const transportOf = (pair: Pair | undefined) => {
  const nodeOptions = { ca: authority.cert, ...pair };
  return createConnectTransport({ baseUrl: listener.url, httpVersion: "2", nodeOptions });
};

const ways: [name: string, append: Append][] = [
  [
    "HTTP/1.1",
    overHttp((nodeOptions) => createConnectTransport({ baseUrl: listener.url, httpVersion: "1.1", nodeOptions })),
  ],
  [
    "HTTP/2",
    overHttp((nodeOptions) => createConnectTransport({ baseUrl: listener.url, httpVersion: "2", nodeOptions })),
  ],
  ["gRPC", overHttp((nodeOptions) => createGrpcTransport({ baseUrl: listener.url, nodeOptions }))],
  [
    "WebSocket",
    async (pair) => {
      const open = RawSocket.open(listener.url, pair && { pair });
      // Bad credentials end the upgrade; a client without any may send a token later.
      const opened = await open.catch((error) => error as Error);
      if (opened instanceof Error) return opened.message.endsWith(" 401") ? Code.Unauthenticated : Code.Unknown;
      using socket = opened;
      const message = toBinary(AppendRequestSchema, create(AppendRequestSchema, request));
      return (await socket.call({ path: "/streamkit.v1.StreamService/Append", message })).code;
    },
  ],
];

describe.each(ways)("over %s", (_, append) => {
  it.each([
    ["writer", 0],
    ["reader", Code.PermissionDenied],
    ["stranger", Code.Unauthenticated],
    ["forger", Code.Unauthenticated],
    ["nobody", Code.Unauthenticated],
  ])("a %s gets the code %i", async (name, code) => {
    expect(await append(pairs.get(name))).toBe(code);
  });
});

it("ends a stream when its certificate expires", { timeout: 120_000 }, async () => {
  const writer = createClient(StreamService, transportOf(pairs.get("writer")));
  await writer.append(request);
  // A slow machine may need longer than the life of one certificate to begin the stream.
  for (const seconds of [10, 30, 60]) {
    const end = `${new Date(Date.now() + seconds * 1_000).toISOString().replace(/[-:T]|\.\d+/g, "")}`;
    const pair = await authority.issue({ names: ["DNS:reader.example"], end });
    const client = createClient(StreamService, transportOf(pair));
    let received = 0;
    const error = await (async () => {
      for await (const { batches } of client.consumeSpace({ storeId, space: "s", follow: true }))
        received += batches.length;
    })().catch((error) => error);
    if (received === 0) continue;
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.message).toMatch(/expired/);
    return;
  }
  expect.unreachable();
});
