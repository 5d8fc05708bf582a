/**
 * Floods of frames and bytes (fault 24). The process survives, serves others during and after the flood, and frees its
 * memory.
 */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerProcess, startServer, temporaryFolder } from "../server-process.ts";
import { callHeaders, FLAG, FRAME, frame, headerBlock, openFrames, word } from "./frames.ts";
import { callHttp2, envelope, exchange, http2, isServing, memoryOf, open } from "./raw.ts";

const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const APPEND = "/streamkit.v1.StreamService/Append";
const MIB = 1024 * 1024;
/** Memory that the process may have beyond an idle one. Floods may leave garbage to the collector, but no payload. */
const SLACK_BYTES = 256 * MIB;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ServerProcess;
let base: number;
beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer(folder.path, "--limit", "headerMillis=3000");
  expect(await isServing(server.url)).toBe(true);
  base = await memoryOf(server.child.pid as number);
});
afterAll(async () => {
  expect(server.child.exitCode).toBe(null);
  expect(server.errors()).not.toContain("defect");
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const HEADERS = headerBlock(callHeaders(INFO));
const streams = (count: number, make: (stream: number) => Uint8Array[]): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(2 * index + 1)).flat());
const repeated = (count: number, bytes: Uint8Array): Buffer => Buffer.concat(new Array<Uint8Array>(count).fill(bytes));
const begin = (stream: number): Buffer => frame(FRAME.headers, FLAG.endHeaders, stream, HEADERS);

/** Floods that make the server end their connection. */
const ENDED: Readonly<Record<string, () => Buffer>> = {
  "10,000 calls that are reset at once (rapid reset)": () =>
    streams(10_000, (stream) => [begin(stream), frame(FRAME.reset, 0, stream, word(8))]),
  "10,000 calls that the server resets because of a window of 0": () =>
    streams(10_000, (stream) => [begin(stream), frame(FRAME.windowUpdate, 0, stream, word(0))]),
  "10,000 calls that the server resets because of an overflowing window": () =>
    streams(10_000, (stream) => [begin(stream), frame(FRAME.windowUpdate, 0, stream, word(0x7fffffff))]),
  "10,000 calls that send data after their end": () =>
    streams(10_000, (stream) => [
      frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, HEADERS),
      frame(FRAME.data, 0, stream, Buffer.from("{}")),
    ]),
  "10,000 calls with invalid headers": () =>
    streams(10_000, (stream) => [
      frame(FRAME.headers, FLAG.endHeaders, stream, headerBlock({ ...callHeaders(INFO), "Bad Name": "x" })),
    ]),
  "100,000 pings": () => repeated(100_000, frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
  "100,000 settings": () => repeated(100_000, frame(FRAME.settings, 0, 0)),
  "headers that go on for 100,000 frames": () =>
    Buffer.concat([
      frame(FRAME.headers, 0, 1, HEADERS),
      repeated(100_000, frame(FRAME.continuation, 0, 1, headerBlock({ x: "y" }))),
    ]),
  "headers that go on for 100,000 empty frames": () =>
    Buffer.concat([frame(FRAME.headers, 0, 1, HEADERS), repeated(100_000, frame(FRAME.continuation, 0, 1))]),
  "100,000 empty frames of data": () => Buffer.concat([begin(1), repeated(100_000, frame(FRAME.data, 0, 1))]),
  "an overflowing window of the connection": () => repeated(2, frame(FRAME.windowUpdate, 0, 0, word(0x7fffffff))),
  "a frame larger than was agreed": () => frame(FRAME.ping, 0, 0, Buffer.alloc(MIB)),
  "100,000 priorities": () =>
    streams(100_000, (stream) => [frame(FRAME.priority, 0, stream, Buffer.concat([word(0), Buffer.from([1])]))]),
};

describe.each([true, false])("floods of frames from a client that reads: %s", (reads) => {
  it.each(Object.keys(ENDED))("%s end the connection, and no other", { timeout: 60_000 }, async (name) => {
    const witness = await http2(server.url);
    expect((await callHttp2(witness, INFO, "{}")).status).toBe(200);
    const connection = await openFrames(server.url);
    if (!reads) connection.socket.pause();
    await connection.write(ENDED[name]?.() ?? Buffer.alloc(0));
    // Read the answers of the server now, so that the test sees the end of the connection.
    connection.socket.resume();
    await connection.closed;
    expect((await callHttp2(witness, INFO, "{}")).status).toBe(200);
    witness.destroy();
  });
});

describe("headers beyond the limit", () => {
  it("over HTTP/2 reset their call, even if a table makes them large", async () => {
    const connection = await openFrames(server.url);
    const large = headerBlock({ "x-large": "y".repeat(3_900) }, true);
    // Each byte 0xbe refers to the header of 3,900 bytes, so 12,000 of them stand for 45 MiB.
    await connection.write(
      Buffer.concat([
        frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.concat([HEADERS, large])),
        streams(200, (stream) => [
          frame(
            FRAME.headers,
            FLAG.endHeaders | FLAG.endStream,
            stream + 2,
            Buffer.concat([HEADERS, Buffer.alloc(12_000, 0xbe)]),
          ),
        ]),
      ]),
    );
    await expect.poll(() => connection.count(FRAME.reset), { timeout: 20_000 }).toBeGreaterThanOrEqual(200);
    expect(connection.codes.reset).toBe(11);
    connection.socket.destroy();
    expect(await isServing(server.url)).toBe(true);
  });

  it("over HTTP/1.1 are answered with 431, few large or many small", async () => {
    for (const headers of [`x: ${"y".repeat(MIB)}\r\n`, "x: y\r\n".repeat(100_000)]) {
      const answer = await exchange(server.url, `POST ${INFO} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
      // If the server closes a connection while the client still sends, the answer may be lost.
      expect(answer).toMatch(/^(HTTP\/1\.1 431 .*)?$/s);
    }
    expect(await isServing(server.url)).toBe(true);
  });
});

describe("a gzip bomb of 1 GiB", () => {
  // A gzip file may have several members: making one of 16 MiB and repeating it 64 times is fast.
  const bomb = repeated(64, gzipSync(Buffer.alloc(16 * MIB)));
  const grpc = { te: "trailers", "grpc-encoding": "gzip" };
  const cases: readonly [name: string, path: string, headers: Record<string, string>, enveloped: boolean][] = [
    ["Connect, JSON", APPEND, { "content-encoding": "gzip" }, false],
    ["Connect, binary", APPEND, { "content-encoding": "gzip", "content-type": "application/proto" }, false],
    ["Connect, small method", INFO, { "content-encoding": "gzip" }, false],
    [
      "Connect, stream",
      "/streamkit.v1.StreamService/Produce",
      { "connect-content-encoding": "gzip", "content-type": "application/connect+json" },
      true,
    ],
    ["gRPC", APPEND, { ...grpc, "content-type": "application/grpc" }, true],
    ["gRPC-Web", APPEND, { ...grpc, "content-type": "application/grpc-web+proto" }, true],
    ["gRPC, health", "/grpc.health.v1.Health/Check", { ...grpc, "content-type": "application/grpc" }, true],
  ];

  it.each(cases)("over %s is refused", { timeout: 60_000 }, async (_name, path, headers, enveloped) => {
    const session = await http2(server.url);
    const { body, trailers, status } = await callHttp2(session, path, enveloped ? envelope(bomb, 1) : bomb, headers);
    expect(`${status} ${body} ${JSON.stringify(trailers)}`).toMatch(/invalid_argument|grpc-status(: |":")3/);
    expect((await callHttp2(session, INFO, "{}")).status).toBe(200);
    session.destroy();
  });
});

describe("half-open connections", () => {
  it("1,000 of them block no other client, and are closed in time", { timeout: 60_000 }, async () => {
    // A half-open HTTP/2 connection is closed later, by the keep-alive of the server: http/keepalive.test.ts.
    const beginnings = ["", "P", "POST / HTTP/1.1\r\nHost: lo", `POST ${INFO} HTTP/1.1\r\n`];
    const sockets = [];
    for (let index = 0; index < 1_000; index++) {
      const socket = await open(server.url);
      socket.on("error", () => undefined).resume();
      socket.write(beginnings[index % beginnings.length] ?? "");
      sockets.push(socket);
    }
    expect(await isServing(server.url)).toBe(true);
    await Promise.all(
      sockets.map((socket) => socket.closed || new Promise<void>((resolve) => socket.once("close", () => resolve()))),
    );
    expect(await isServing(server.url)).toBe(true);
  });
});

it("memory is near that of an idle process afterwards", async () => {
  await expect
    .poll(async () => (await memoryOf(server.child.pid as number)) - base, { timeout: 20_000 })
    .toBeLessThan(SLACK_BYTES);
});
