/** A stream keeps nothing of the responses that were read. */
import { createServer as createHttp1Server, type Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Writable } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Transport } from "@connectrpc/connect";
import { StreamService } from "@streamkit/protocol";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import { expect, test } from "vitest";
import { createStreamkitClient } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import { createWebTransport } from "../src/web.ts";

const MIB = 1024 * 1024;
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes in use after garbage collection. */
async function bytesInUse(kind: "heapUsed" | "arrayBuffers"): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    least = Math.min(least, process.memoryUsage()[kind]);
  }
  return least;
}

test.each(["Node", "in process", "fetch"])("a long read keeps none of its entries: %s", async (kind) => {
  await using streamkit = createStreamkit({ storage: memoryStorage() });
  const { url } = await streamkit.listen({ port: 0 });
  const transports: Record<string, () => Transport> = {
    Node: () => createNodeTransport({ baseUrl: url }),
    "in process": () => streamkit.transport(),
    fetch: () => createWebTransport({ baseUrl: url }),
  };
  const client = createStreamkitClient({ transport: transports[kind]() });
  const segment = client.store(crypto.randomUUID()).space("s").segment("g");
  const records = 512;
  await segment.produce(Array.from({ length: records }, () => new Uint8Array(64 * 1024)));
  const before = await bytesInUse("arrayBuffers");
  let grown = 0;
  for await (const entry of segment.consume()) {
    expect(entry.payload.length).toBe(64 * 1024);
    if (entry.sequence === records - 32) grown = (await bytesInUse("arrayBuffers")) - before;
  }
  expect(grown).toBeLessThan(16 * MIB);
});

const ROUNDS = 40;
const MESSAGES_PER_ROUND = 1_000;
/** Empty messages: flags and length of each are 0. */
const EMPTY_MESSAGES = Buffer.alloc(5 * MESSAGES_PER_ROUND);
/** The end of a stream of Connect, without an error. */
const CONNECT_END = Buffer.from([2, 0, 0, 0, 2, 0x7b, 0x7d]);

/** A server of HTTP/2, or of HTTP/1.1, whose first response the test writes. */
async function startServer(version: "1.1" | "2") {
  const opened = Promise.withResolvers<Writable>();
  const server = version === "2" ? (createHttp2Server() as unknown as Server) : createHttp1Server();
  server.on("request", (request, response) => {
    const contentType = String(request.headers["content-type"]);
    response.writeHead(200, { "content-type": contentType });
    if (contentType.includes("grpc")) response.addTrailers({ "grpc-status": "0" });
    response.flushHeaders();
    opened.resolve(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    opened: opened.promise,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      (await opened.promise).destroy();
      server.closeAllConnections?.();
      await closed;
    },
  };
}

async function* once(request: object) {
  yield request;
}

const transports = {
  gRPC: (baseUrl: string) => createNodeTransport({ baseUrl, httpVersion: "2", protocol: "grpc" }),
  Connect: (baseUrl: string) => createNodeTransport({ baseUrl, httpVersion: "2", protocol: "connect" }),
  "Connect, HTTP/1.1": (baseUrl: string) => createNodeTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect, fetch": (baseUrl: string) => createWebTransport({ baseUrl }),
};

test.each(Object.keys(transports) as (keyof typeof transports)[])(
  "a stream of many responses keeps nothing per response: %s",
  async (name) => {
    await using server = await startServer(name === "gRPC" || name === "Connect" ? "2" : "1.1");
    const transport = transports[name](server.url);
    const { signal } = new AbortController();
    const { message } = await transport.stream(
      StreamService.method.consumeSegment,
      signal,
      undefined,
      undefined,
      once({}),
    );
    const responses = message[Symbol.asyncIterator]();
    const stream = await server.opened;
    const readRound = async () => {
      stream.write(EMPTY_MESSAGES);
      for (let read = 0; read < MESSAGES_PER_ROUND; read++) await responses.next();
    };
    await readRound();
    const before = await bytesInUse("heapUsed");
    for (let round = 1; round < ROUNDS; round++) await readRound();
    expect((await bytesInUse("heapUsed")) - before).toBeLessThan(5 * MIB);
    stream.end(name === "gRPC" ? undefined : CONNECT_END);
    expect((await responses.next()).done).toBe(true);
  },
);
