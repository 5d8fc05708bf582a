import { describe, expect, test } from "vitest";
import { createStreamkitClient, type SegmentHandle } from "../src/index.ts";
import { createNodeTransport, type NodeTransportOptions } from "../src/node.ts";
import { createWebTransport } from "../src/web.ts";
import {
  silentPath,
  WRONGS_OVER_HTTP1,
  WRONGS_OVER_HTTP2,
  wrongOverHttp1,
  wrongOverHttp2,
} from "./misbehaving-server.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
/** Short, since each of them is waited for several times. */
const TIMEOUT_MILLIS = 150;
const RETRY = { initialDelayMillis: 1, maxDelayMillis: 1, maxAttempts: 2 };

type Segment = SegmentHandle<Uint8Array, Uint8Array>;

/** Every kind of call, and the RPC that its error names. */
const CALLS: Record<string, (segment: Segment) => Promise<unknown>> = {
  GetSegmentStatus: (segment) => segment.status(),
  "Append|Produce": (segment) => segment.produce([Uint8Array.of(1)]),
  ConsumeSegment: (segment) => segment.consume()[Symbol.asyncIterator]().next(),
  "ConsumeSegment ": (segment) => segment.follow({ heartbeatInterval: 100 })[Symbol.asyncIterator]().next(),
  SubscribeToSegmentStatus: (segment) => segment.subscribe({ heartbeatInterval: 100 }).next(),
};

/** Runs every kind of call against a misbehaving server. All of them end with an error that names the reason. */
async function allEnd(transport: Parameters<typeof createStreamkitClient>[0]["transport"], url: string): Promise<void> {
  const client = createStreamkitClient({ transport, retry: RETRY, timeoutMillis: TIMEOUT_MILLIS });
  const segment = client.store(STORE).space("s").segment("a") as Segment;
  await Promise.all(
    Object.entries(CALLS).map(async ([rpc, call]) => {
      const error = await call(segment).then(
        (value) => expect.fail(`${rpc} gave ${JSON.stringify(value)}`),
        (thrown) => thrown,
      );
      expect(error, rpc).toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
      expect(error.message).toMatch(new RegExp(`(${rpc.trim()}) at ${url}`));
    }),
  );
}

const HTTP2: Record<string, Omit<NodeTransportOptions, "baseUrl">> = {
  gRPC: { httpVersion: "2", protocol: "grpc" },
  Connect: { httpVersion: "2", protocol: "connect" },
  "gRPC-Web": { httpVersion: "2", protocol: "grpc-web" },
};

describe.each(Object.keys(WRONGS_OVER_HTTP2))("H8: a server of HTTP/2 that %s", (wrong) => {
  test.each(Object.keys(HTTP2))("ends no call in silence (%s)", async (protocol) => {
    await using server = await wrongOverHttp2(WRONGS_OVER_HTTP2[wrong]);
    await allEnd(createNodeTransport({ ...HTTP2[protocol], baseUrl: server.url }), server.url);
    expect(server.calls).toBeGreaterThan(Object.keys(CALLS).length);
  });
});

test("an append is not taken for written when its answer is empty", async () => {
  await using server = await wrongOverHttp2((stream) => {
    stream.respond({ ":status": 200, "content-type": "application/proto" });
    stream.end();
  });
  const transport = createNodeTransport({ baseUrl: server.url, httpVersion: "2" });
  const segment = createStreamkitClient({ transport, retry: RETRY }).store(STORE).space("s").segment("a");
  await expect(segment.publish(Uint8Array.of(1))).rejects.toMatchObject({ reason: "CONNECTION_LOST" });
  expect(server.calls).toBe(2);
});

const HTTP1 = {
  Connect: (baseUrl: string) => createNodeTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web": (baseUrl: string) => createNodeTransport({ baseUrl, httpVersion: "1.1", protocol: "grpc-web" }),
  "Connect, fetch": (baseUrl: string) => createWebTransport({ baseUrl }),
  "gRPC-Web, fetch": (baseUrl: string) => createWebTransport({ baseUrl, protocol: "grpc-web" }),
};

describe.each(Object.keys(WRONGS_OVER_HTTP1))("H8: a server of HTTP/1.1 that %s", (wrong) => {
  test.each(Object.entries(HTTP1))("ends no call in silence (%s)", async (_, transportTo) => {
    await using server = await wrongOverHttp1(WRONGS_OVER_HTTP1[wrong]);
    await allEnd(transportTo(server.url), server.url);
    expect(server.calls).toBeGreaterThan(Object.keys(CALLS).length);
  });
});

test.each([
  ...Object.entries(HTTP2).map(
    ([name, options]) =>
      [`${name}, HTTP/2`, (baseUrl: string) => createNodeTransport({ ...options, baseUrl })] as const,
  ),
  ...Object.entries(HTTP1),
])("H8: a path that carries nothing ends no call in silence (%s)", async (_, transportTo) => {
  await using path = await silentPath();
  await allEnd(transportTo(path.url), path.url);
});
