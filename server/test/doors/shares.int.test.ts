/**
 * The share of the server that one caller can use: streams of every kind, connections, and memory of unread responses
 * (M1, M2).
 */
import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { StreamService } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ServerProcess, startServer, temporaryFolder } from "../server-process.ts";
import {
  type Answer,
  answerOf,
  begin,
  callHttp2,
  envelope,
  exchange,
  http2,
  isServing,
  memoryOf,
  open,
} from "./raw.ts";

const MIB = 1024 * 1024;
const SERVICE = "/streamkit.v1.StreamService";
const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const STREAM = { "content-type": "application/connect+json" };
const HEADERS = "HTTP/1.1\r\nHost: localhost\r\n";
const SOCKET = `GET /streamkit.v1/socket ${HEADERS}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n`;
const storeId = "11111111-2222-4333-8444-555555555555";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ServerProcess;
const sessions: ClientHttp2Session[] = [];
const connect = async () => {
  const session = await http2(server.url);
  sessions.push(session);
  return session;
};
const start = async (...limits: string[]) => {
  server = await startServer(folder.path, ...limits.flatMap((limit) => ["--limit", limit]));
};
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  expect(server.child.exitCode).toBe(null);
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** A streaming call that has sent its only request. It stays open until the test or the server ends it. */
function openStream(session: ClientHttp2Session, path: string, request: object): [ClientHttp2Stream, Promise<Answer>] {
  const stream = begin(session, path, STREAM);
  const answer = answerOf(stream);
  stream.end(envelope(JSON.stringify(request)));
  return [stream, answer];
}

const KINDS: readonly [name: string, path: string, request: object | undefined][] = [
  ["ConsumeSpace", `${SERVICE}/ConsumeSpace`, { storeId, space: "s", follow: true }],
  ["ConsumeSegment", `${SERVICE}/ConsumeSegment`, { storeId, space: "s", segment: "a", follow: true }],
  ["Consume", `${SERVICE}/Consume`, { storeId, spaces: { s: 1 }, follow: true }],
  ["SubscribeToSegmentStatus", `${SERVICE}/SubscribeToSegmentStatus`, { storeId, space: "s" }],
  ["SubscribeToWorkers", "/streamkit.v1.PresenceService/SubscribeToWorkers", { storeId, group: "g" }],
  ["Health.Watch", "/grpc.health.v1.Health/Watch", {}],
  ["reflection without a message", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", undefined],
  ["Produce without a message", `${SERVICE}/Produce`, undefined],
];

describe("streams", () => {
  it.each(KINDS)("of %s count, and free their room when they end", async (_, path, request) => {
    await start("streams=3");
    const session = await connect();
    const opened = Array.from({ length: 3 }, () => {
      if (request !== undefined) return openStream(session, path, request);
      const stream = begin(session, path, STREAM);
      return [stream, answerOf(stream)] as const;
    });
    // The server counts a call when it reads its headers. An answer to a later call shows that it has read them.
    expect((await callHttp2(session, INFO, "{}")).status).toBe(200);
    const [, refused] = openStream(session, `${SERVICE}/ConsumeSpace`, { storeId, space: "s", limit: 1 });
    expect((await refused).body).toMatch(/resource_exhausted.*OVERLOADED.*retryAfter/s);
    for (const [stream] of opened) stream.close(8);
    await expect
      .poll(async () => {
        const [, again] = openStream(session, `${SERVICE}/ConsumeSpace`, { storeId, space: "s" });
        return (await again).body.includes("OVERLOADED");
      })
      .toBe(false);
  });

  it("of one connection leave room for those of others", async () => {
    await start("streams=10", "streamsPerConnection=4");
    const [greedy, modest] = [await connect(), await connect()];
    const opened = Array.from({ length: 4 }, () => openStream(greedy, "/grpc.health.v1.Health/Watch", {}));
    expect((await callHttp2(greedy, INFO, "{}")).status).toBe(200);
    const [, refused] = openStream(greedy, `${SERVICE}/ConsumeSpace`, { storeId, space: "s" });
    expect((await refused).body).toMatch(/this connection has 4 open streams/);
    const [, other] = openStream(modest, `${SERVICE}/ConsumeSpace`, { storeId, space: "s" });
    expect((await other).body).not.toContain("OVERLOADED");
    for (const [stream] of opened) stream.close(8);
  });

  it("of one address leave room for those of others", async () => {
    await start("streams=10", "streamsPerAddress=4");
    const session = await connect();
    const opened = Array.from({ length: 4 }, () => openStream(session, "/grpc.health.v1.Health/Watch", {}));
    expect((await callHttp2(session, INFO, "{}")).status).toBe(200);
    const [, refused] = openStream(await connect(), `${SERVICE}/ConsumeSpace`, { storeId, space: "s" });
    expect((await refused).body).toMatch(/this address has 4 open streams/);
    for (const [stream] of opened) stream.close(8);
  });

  it.each([
    ["", ""],
    [", before an upgrade to WebSocket", `${SOCKET}Sec-WebSocket-Protocol: streamkit.v1\r\n\r\n`],
    [", before an upgrade that is refused", `${SOCKET}\r\n`],
    [", before an upgrade that is ignored", `GET /healthz ${HEADERS}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`],
  ])("of pipelined requests%s free their room when their connection ends", async (_, upgrade) => {
    await start("streams=3");
    const body = envelope(JSON.stringify({ storeId, space: "s", follow: true }));
    const head = `POST ${SERVICE}/ConsumeSpace ${HEADERS}Content-Type: ${STREAM["content-type"]}`;
    const follow = Buffer.concat([Buffer.from(`${head}\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
    const socket = await open(server.url);
    socket.on("error", () => undefined);
    const answered = once(socket, "data");
    socket.write(Buffer.concat([follow, follow, follow, Buffer.from(upgrade)]));
    await answered;
    const session = await connect();
    const refused = async () => {
      const opened = Array.from({ length: 3 }, () =>
        openStream(session, `${SERVICE}/ConsumeSpace`, { storeId, space: "s", follow: true }),
      );
      await callHttp2(session, INFO, "{}");
      for (const [stream] of opened) stream.close(8);
      const bodies = await Promise.all(opened.map(async ([, answer]) => (await answer).body));
      return bodies.filter((text) => text.includes("OVERLOADED")).length;
    };
    socket.destroy();
    await expect.poll(refused).toBe(0);
  });

  it("9,900 unfinished ones, cut at once, do not delay others for long", { timeout: 120_000 }, async () => {
    // A busy server must not mistake the next caller for a silent one.
    await start("headerMillis=60000");
    const session = await connect();
    const streams = Array.from({ length: 9_900 }, () => begin(session, `${SERVICE}/Produce`, STREAM));
    for (const stream of streams) stream.write(Buffer.from([0, 0]));
    expect((await callHttp2(session, INFO, "{}")).status).toBe(200);
    session.destroy();
    expect(await isServing(server.url)).toBe(true);
    // The streams do not count any more: as many new ones start.
    const again = await connect();
    await expect
      .poll(async () => {
        const [, stream] = openStream(again, `${SERVICE}/ConsumeSpace`, { storeId, space: "s" });
        return (await stream).body.includes("OVERLOADED");
      })
      .toBe(false);
  });
});

describe("connections", () => {
  it("beyond the limit are closed at once, and others continue", async () => {
    await start("connections=5");
    const sockets: Socket[] = [];
    for (let i = 0; i < 4; i++) sockets.push(await open(server.url));
    const session = await connect();
    for (let i = 0; i < 20; i++)
      expect(await exchange(server.url, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")).toBe("");
    expect((await callHttp2(session, INFO, "{}")).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => isServing(server.url).catch(() => false)).toBe(true);
    expect(server.errors().match(/limits.connections/g)).toHaveLength(1);
  });

  it("from one address have a limit of their own", async () => {
    await start("connectionsPerAddress=2");
    const sockets = [await open(server.url), await open(server.url)];
    expect(await exchange(server.url, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")).toBe("");
    // Another address of this machine.
    const other = new URL(server.url);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => isServing(other.origin).catch(() => false)).toBe(true);
  });
});

describe("readers that pause", () => {
  it("200 on one connection: each gets its entries when it continues, and memory is bounded", {
    timeout: 120_000,
  }, async () => {
    await start();
    const writer = createClient(StreamService, createGrpcTransport({ baseUrl: server.url }));
    const records = Array.from({ length: 10 }, () => ({ payload: new Uint8Array(10_000) }));
    for (let i = 0; i < 200; i++) await writer.append({ storeId, space: "s", appends: [{ segment: "a", records }] });
    const session = await connect();
    const before = await memoryOf(server.child.pid as number);
    const paused = Array.from({ length: 200 }, () => {
      const stream = begin(session, `${SERVICE}/ConsumeSpace`, {
        ...STREAM,
        "content-type": "application/connect+proto",
      });
      stream.pause();
      // store_id, space
      const message = Buffer.concat([Buffer.of(0x0a, 36), Buffer.from(storeId), Buffer.of(0x12, 1), Buffer.from("s")]);
      stream.end(envelope(message));
      return stream;
    });
    await Promise.all(paused.map((stream) => new Promise((resolve) => stream.once("response", resolve))));
    expect((await callHttp2(session, INFO, "{}")).status).toBe(200);
    expect((await memoryOf(server.child.pid as number)) - before).toBeLessThan(768 * MIB);
    for (const stream of paused) {
      let bytes = 0;
      let tail = Buffer.alloc(0);
      stream.on("data", (part: Buffer) => {
        bytes += part.length;
        tail = Buffer.concat([tail, part]).subarray(-200);
      });
      await new Promise((resolve) => stream.once("end", resolve).resume());
      expect(tail.toString("latin1")).toMatch(/\{\}$/);
      expect(bytes).toBeGreaterThan(20 * MIB * 0.9);
    }
  });

  it("beyond the limit of a connection are refused, but not on another connection", { timeout: 60_000 }, async () => {
    await start(`responseBytesPerConnection=${MIB}`);
    const writer = createClient(StreamService, createGrpcTransport({ baseUrl: server.url }));
    const records = [{ payload: new Uint8Array(900_000) }];
    for (let i = 0; i < 30; i++) await writer.append({ storeId, space: "s", appends: [{ segment: "a", records }] });
    const session = await connect();
    const request = envelope(JSON.stringify({ storeId, space: "s" }));
    const paused = Array.from({ length: 8 }, () => begin(session, `${SERVICE}/ConsumeSpace`, STREAM).pause());
    for (const stream of paused) stream.end(request);
    await Promise.all(paused.map((stream) => new Promise((resolve) => stream.once("response", resolve))));
    // Unary calls and other connections still work.
    expect((await callHttp2(session, INFO, "{}")).status).toBe(200);
    const other = begin(await connect(), `${SERVICE}/ConsumeSpace`, STREAM);
    const answer = answerOf(other);
    other.end(request);
    expect((await answer).body).not.toContain("OVERLOADED");
    const bodies = await Promise.all(paused.map(async (stream) => (await answerOf(stream.resume())).body));
    expect(bodies.filter((body) => /OVERLOADED/.test(body)).length).toBeGreaterThan(0);
  });
});
