import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { expect, test } from "vitest";
import { createStreamkitClient, type RetryEvent } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/**
 * A server of raw HTTP/2 that treats its first session in its own way, and answers all calls on later ones with an
 * empty message.
 */
async function startServer(onFirstSession: (stream: ServerHttp2Stream, session: ServerHttp2Session) => void) {
  const sessions: ServerHttp2Session[] = [];
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("stream", (stream) => {
    const session = stream.session as ServerHttp2Session;
    if (!sessions.includes(session)) sessions.push(session);
    stream.on("error", () => {});
    if (session === sessions[0]) onFirstSession(stream, session);
    else succeed(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function succeed(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/proto", "content-length": 0 });
  stream.end();
}

function setUp(baseUrl: string) {
  const retries: RetryEvent[] = [];
  const transport = createNodeTransport({ baseUrl });
  const retry = { initialDelayMillis: 0, maxDelayMillis: 0 };
  const client = createStreamkitClient({ transport, retry, onRetry: (event) => retries.push(event) });
  return { segment: client.store(STORE).space("s").segment("a"), retries };
}

test("C3: a connection whose stream is reset with ENHANCE_YOUR_CALM is left; calls that run on it go on", async () => {
  const running = Promise.withResolvers<ServerHttp2Stream>();
  let streams = 0;
  await using server = await startServer((stream) => {
    streams += 1;
    if (streams === 1) running.resolve(stream);
    else stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  const { segment, retries } = setUp(server.url);
  const first = segment.delete();
  const held = await running.promise;
  for (let i = 0; i < 5; i++) await segment.delete();
  expect(retries.map(({ error }) => error)).toMatchObject([{ reason: "CONNECTION_LOST", retryable: true }]);
  expect(server.sessions).toHaveLength(2);
  succeed(held);
  await first;
  expect(retries).toHaveLength(1);
});

test("C3: a connection that ends with GOAWAY and ENHANCE_YOUR_CALM is left", async () => {
  await using server = await startServer((_, session) => session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM));
  const { segment, retries } = setUp(server.url);
  for (let i = 0; i < 5; i++) await segment.delete();
  expect(retries.map(({ error }) => error)).toMatchObject([{ reason: "CONNECTION_LOST", retryable: true }]);
  expect(server.sessions).toHaveLength(2);
});

test("a connection that ends with GOAWAY answers what it has, and new calls take another", async () => {
  let answered = 0;
  await using server = await startServer((stream, session) => {
    session.goaway(constants.NGHTTP2_NO_ERROR, stream.id);
    answered += 1;
    setImmediate(() => succeed(stream));
  });
  const { segment, retries } = setUp(server.url);
  for (let i = 0; i < 5; i++) await segment.delete();
  expect(retries).toEqual([]);
  expect([answered, server.sessions.length]).toEqual([1, 2]);
});
