import { createServer as createHttpServer, request as requestHttp } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type Http2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createStreamkit, memoryStorage, type Streamkit } from "@streamkit/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStreamkitClient, type RetryEvent } from "../src/index.ts";
import { createNodeTransport, type NodeTransportOptions } from "../src/node.ts";
import { type Certificate, makeCertificate } from "./certificates.ts";

let streamkit: Streamkit;
let certificate: Certificate;
beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage() });
  certificate = await makeCertificate("IP:127.0.0.1");
});
afterAll(() => streamkit.close());

/** A server of a test, on a port of its own. Knows its connections, to end them. */
async function start(server: Server | Http2Server, scheme: "http" | "https", port = 0) {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("close", () => sockets.delete(socket))));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const { port: bound } = server.address() as AddressInfo;
  return {
    port: bound,
    url: `${scheme}://127.0.0.1:${bound}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const handler = () => streamkit.handler();
const SERVERS: Record<string, () => ReturnType<typeof start>> = {
  "HTTP/1.1": () => start(createHttpServer(handler()), "http"),
  "HTTP/2": () => start(createHttp2Server(handler()), "http"),
  "HTTP/1.1, TLS": () => start(createHttpsServer(certificate, handler()), "https"),
  "HTTP/2, TLS": () => start(createSecureServer(certificate, handler()), "https"),
  "HTTP/1.1 and HTTP/2, TLS": () => start(createSecureServer({ ...certificate, allowHTTP1: true }, handler()), "https"),
  "HTTP/1.1, TLS without ALPN": () =>
    start(createHttpsServer({ ...certificate, ALPNProtocols: [] }, handler()), "https"),
};

/** Writes single records and many records, reads, and follows. Returns the kinds of calls that wrote many records. */
async function walk(url: string, options: Omit<NodeTransportOptions, "baseUrl"> = {}): Promise<string[]> {
  const rpcs: string[] = [];
  const transport = createNodeTransport({
    baseUrl: url,
    nodeOptions: { ca: certificate.cert },
    interceptors: [
      (next) => (request) => {
        rpcs.push(request.method.name);
        return next(request);
      },
    ],
    ...options,
  });
  const retries: RetryEvent[] = [];
  const client = createStreamkitClient({ transport, onRetry: (event) => retries.push(event) });
  const segment = client.store(crypto.randomUUID()).space("s").segment("a");
  await segment.publish(Uint8Array.of(1));
  rpcs.length = 0;
  expect(await segment.produce([Uint8Array.of(2), Uint8Array.of(3)])).toMatchObject({ records: 2, lastSequence: 3 });
  const made = [...rpcs];
  const read: number[] = [];
  for await (const { payload } of segment.consume()) read.push(payload[0]);
  for await (const { payload } of segment.follow({ limit: 3 })) read.push(payload[0]);
  expect(read).toEqual([1, 2, 3, 1, 2, 3]);
  expect(retries).toEqual([]);
  return made;
}

test.each(Object.keys(SERVERS))("H9: the default transport works with a server of %s", async (name) => {
  await using server = await SERVERS[name]();
  expect(await walk(server.url)).toEqual([name.includes("HTTP/2") ? "Produce" : "Append"]);
});

test("H9: it works through a proxy that speaks HTTP/1.1 only, in front of a server that speaks both", async () => {
  const listener = await streamkit.listen({ port: 0 });
  const proxy = createHttpServer((request, response) => {
    const { method, url, headers } = request;
    const forwarded = { host: "127.0.0.1", port: listener.port, method, path: url, headers };
    request.pipe(
      requestHttp(forwarded, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  await using server = await start(proxy, "http");
  expect(await walk(server.url)).toEqual(["Append"]);
});

test("H9: all protocols find their version; gRPC says that it needs HTTP/2", async () => {
  await using http1 = await SERVERS["HTTP/1.1"]();
  await using http2 = await SERVERS["HTTP/2"]();
  for (const protocol of ["connect", "grpc-web"] as const) {
    expect(await walk(http1.url, { protocol })).toEqual(["Append"]);
    expect(await walk(http2.url, { protocol })).toEqual(["Produce"]);
  }
  expect(await walk(http2.url, { protocol: "grpc" })).toEqual(["Produce"]);
  await expect(walk(http1.url, { protocol: "grpc" })).rejects.toMatchObject({
    reason: "MISCONFIGURED",
    message: expect.stringContaining("gRPC needs HTTP/2"),
  });
});

test("H9: the version is asked for once, on a connection of its own", async () => {
  await using target = await SERVERS["HTTP/1.1"]();
  let connections = 0;
  let prefaces = 0;
  const relay = createServer((socket) => {
    connections += 1;
    const upstream = connect(target.port, "127.0.0.1");
    socket.once("data", (chunk: Buffer) => {
      if (chunk.toString("latin1").startsWith("PRI ")) prefaces += 1;
    });
    socket.pipe(upstream).pipe(socket);
    socket.on("error", () => upstream.destroy());
    upstream.on("error", () => socket.destroy());
  });
  await using server = await start(relay, "http");
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: server.url }) });
  await Promise.all(Array.from({ length: 5 }, () => client.serverInfo()));
  for (let i = 0; i < 20; i++) await client.serverInfo();
  expect(prefaces).toBe(1);
  expect(connections).toBeLessThanOrEqual(6);
});

test("H9: a server of the other version in its place is found after a reconnect, in both directions", async () => {
  const first = await SERVERS["HTTP/2"]();
  const { port, url } = first;
  const retry = { initialDelayMillis: 1, maxDelayMillis: 20, maxAttempts: 200 };
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: url }), retry });
  const segment = client.store(crypto.randomUUID()).space("s").segment("a");
  await segment.produce([Uint8Array.of(1)]);
  await first[Symbol.asyncDispose]();
  {
    await using _second = await start(createHttpServer(handler()), "http", port);
    await segment.produce([Uint8Array.of(2)]);
  }
  {
    await using _third = await start(createHttp2Server(handler()), "http", port);
    await segment.produce([Uint8Array.of(3)]);
    const read: number[] = [];
    for await (const { payload } of segment.consume()) read.push(payload[0]);
    expect(read).toEqual([1, 2, 3]);
  }
});
