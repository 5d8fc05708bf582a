/**
 * Large, slow and unfinished request bodies. The server refuses them, they cost no more than the limits allow, and
 * other callers do not suffer (C3, H1).
 */
import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type ServerProcess, startServer, temporaryFolder } from "../server-process.ts";
import { callHeaders, FLAG, FRAME, frame, headerBlock, openFrames } from "./frames.ts";
import { answerOf, begin, callHttp2, envelope, http2, isServing, memoryOf, open } from "./raw.ts";

const MIB = 1024 * 1024;
const APPEND = "/streamkit.v1.StreamService/Append";
const PRODUCE = "/streamkit.v1.StreamService/Produce";
const INFO = "/streamkit.v1.StoreService/GetServerInfo";
const STATUS = "/streamkit.v1.StreamService/GetSpaceStatus";
const PROTO = { "content-type": "application/proto" };
const GRPC = { "content-type": "application/grpc", te: "trailers" };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ServerProcess;
let session: ClientHttp2Session;
const start = async (...args: string[]) => {
  server = await startServer(folder.path, ...args);
  session = await http2(server.url);
};
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  session.destroy();
  expect(server.child.exitCode).toBe(null);
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const works = async (over: ClientHttp2Session) => (await callHttp2(over, INFO, "{}")).status === 200;

/** Sends bytes for as long as the server accepts them. */
async function pour(stream: ClientHttp2Stream, bytes: number): Promise<void> {
  const part = Buffer.alloc(256 * 1024);
  for (let sent = 0; sent < bytes && !stream.destroyed; sent += part.length) {
    if (stream.write(part)) continue;
    await new Promise<void>((resolve) => {
      const end = () => {
        stream.off("drain", end).off("close", end);
        resolve();
      };
      stream.on("drain", end).on("close", end);
      if (stream.destroyed) end();
    });
  }
  if (!stream.destroyed) stream.end();
}

describe("a body that is too large", () => {
  it.each([
    ["Append, 9 MiB", APPEND, 9, PROTO],
    ["Append, 20 MiB", APPEND, 20, PROTO],
    ["Append, 64 MiB", APPEND, 64, PROTO],
    ["GetSpaceStatus, 20 MiB", STATUS, 20, PROTO],
    ["GetSpaceStatus by gRPC, 20 MiB", STATUS, 20, GRPC],
    ["an unknown path, 20 MiB", "/nothing", 20, PROTO],
  ])("%s, repeatedly: each is refused, and the connection serves its other calls", async (_, path, mib, headers) => {
    await start();
    for (let round = 0; round < 6; round++) {
      const stream = begin(session, path, headers);
      const answer = answerOf(stream);
      if (path === "/nothing" || headers === PROTO) void pour(stream, mib * MIB);
      else {
        stream.write(envelope(new Uint8Array(0)).fill(0x7f, 1, 2));
        void pour(stream, mib * MIB);
      }
      const { status } = await answer;
      expect(status).not.toBe(undefined);
      expect(status === 200 && headers !== GRPC).toBe(false);
      expect(await works(session)).toBe(true);
    }
    // Small and large calls in parallel once more, to show that the whole window of the connection is free again.
    const appends = Array.from({ length: 8 }, () => callHttp2(session, APPEND, new Uint8Array(7 * MIB), PROTO));
    for (const { status } of await Promise.all(appends)) expect(status).toBe(400);
    expect(session.destroyed).toBe(false);
    expect(await works(session)).toBe(true);
  });

  it("over HTTP/1.1 is answered, and its connection closed", async () => {
    await start();
    const socket = await open(server.url);
    socket.on("error", () => undefined);
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => {
      text += part;
    });
    const length = 40 * MIB;
    const { host } = new URL(server.url);
    socket.write(
      `POST ${APPEND} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/proto\r\ncontent-length: ${length}\r\n\r\n`,
    );
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const part = Buffer.alloc(MIB);
    for (let sent = 0; sent < length && !socket.destroyed; sent += part.length) {
      if (!socket.write(part)) {
        await Promise.race([closed, new Promise((resolve) => socket.once("drain", resolve))]);
      }
    }
    await closed;
    expect(text).toMatch(/^HTTP\/1\.1 400 .*REQUEST_TOO_LARGE/s);
    expect(await isServing(server.url)).toBe(true);
  });

  it("in a session is refused without a retry, after the results of earlier requests", async () => {
    await start();
    const stream = begin(session, PRODUCE, GRPC);
    const answer = answerOf(stream);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(9 * MIB, 1);
    stream.write(head);
    void pour(stream, 9 * MIB);
    const { trailers } = await answer;
    expect(trailers["grpc-status"]).toBe("3");
    expect(await works(session)).toBe(true);
  });
});

describe("unfinished requests", () => {
  it("take no more memory than their connection may use, and the server refuses the rest with OVERLOADED (H1)", {
    timeout: 60_000,
  }, async () => {
    await start("--limit", `requestBytesPerConnection=${32 * MIB}`);
    const pid = server.child.pid as number;
    const before = await memoryOf(pid);
    const streams = Array.from({ length: 100 }, () => begin(session, APPEND, PROTO));
    const answers = streams.map(answerOf);
    const refused = answers.map(async (answer) => (await answer).body);
    await Promise.race([
      // The server accepts bodies up to the limit. Then it refuses some, and the others wait for the rest of their
      // bodies.
      Promise.all(streams.map((stream) => fill(stream, 7.9 * MIB))),
      once(server.child, "exit"),
    ]);
    const early = (await Promise.all(refused.map((body) => Promise.race([body, settled()])))).filter(
      (body) => body !== "",
    );
    expect(early.length).toBeGreaterThanOrEqual(95);
    for (const body of early) expect(body).toMatch(/resource_exhausted.*OVERLOADED.*retryAfter/s);
    expect((await memoryOf(pid)) - before).toBeLessThan(256 * MIB);
    expect(await works(session)).toBe(true);
    expect(await isServing(server.url)).toBe(true);
    for (const stream of streams) stream.close();
    await Promise.all(answers);
    // All memory is free again: the server accepts as much once more.
    const { status } = await callHttp2(session, APPEND, new Uint8Array(7 * MIB), PROTO);
    expect(status).toBe(400);
  });

  it.each(["application/proto", "application/json"])(
    "of %s in frames of one byte and padding keep only their own bytes in memory (H1)",
    { timeout: 60_000 },
    async (type) => {
      await start();
      const pid = server.child.pid as number;
      const connection = await openFrames(server.url);
      onTestFinished(() => void connection.socket.destroy());
      const before = await memoryOf(pid);
      await connection.write(
        frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(callHeaders(APPEND, { "content-type": type }))),
      );
      const padded = frame(FRAME.data, FLAG.padded, 1, Buffer.concat([Buffer.from([255, 65]), Buffer.alloc(255)]));
      const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => padded));
      for (let sent = 0; sent < 300; sent++) await connection.write(thousand);
      const pong = connection.next(FRAME.ping);
      await connection.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
      await pong;
      expect((await memoryOf(pid)) - before).toBeLessThan(90 * MIB);
      expect(connection.codes).toEqual({});
      expect(await works(session)).toBe(true);
    },
  );

  it("end with DEADLINE_EXCEEDED in time, unary or streaming, and no other call waits", async () => {
    await start("--limit", "requestMillis=300");
    const unary = begin(session, APPEND, PROTO);
    const streaming = begin(session, PRODUCE, GRPC);
    const answers = [answerOf(unary), answerOf(streaming)];
    unary.write("x");
    streaming.write(envelope("").subarray(0, 3));
    const [first, second] = await Promise.all(answers);
    expect(first.body).toMatch(/deadline_exceeded.*DEADLINE_EXCEEDED/s);
    expect(second.trailers["grpc-status"]).toBe("4");
    expect(await works(session)).toBe(true);
  });

  it("end with DEADLINE_EXCEEDED if the message is whole and only the end of the request is missing", async () => {
    await start("--limit", "requestMillis=300");
    for (const method of ["streamkit.v1.StreamService/ConsumeSpace", "grpc.health.v1.Health/Watch"]) {
      const stream = begin(session, `/${method}`, GRPC);
      const answer = answerOf(stream);
      stream.write(envelope(""));
      expect((await answer).trailers["grpc-status"]).toBe("4");
    }
    expect(await works(session)).toBe(true);
  });

  it("over HTTP/1.1 are closed in time: headers and bodies", async () => {
    await start("--limit", "requestMillis=300", "--limit", "headerMillis=300");
    const { host } = new URL(server.url);
    const headers = `POST ${APPEND} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/proto\r\ncontent-length: 10\r\n`;
    for (const bytes of ["", "P", headers, `${headers}\r\nx`]) {
      const socket = await open(server.url);
      socket.resume().on("error", () => undefined);
      if (bytes !== "") socket.write(bytes);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    expect(await isServing(server.url)).toBe(true);
  });
});

/** Sends `bytes` of a body without its end. Stops when the server resets the call. */
async function fill(stream: ClientHttp2Stream, bytes: number): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once("close", () => resolve()));
  const sent = new Promise<void>((resolve) => stream.write(Buffer.alloc(bytes), () => resolve()));
  await Promise.race([sent, closed]);
}

/** Loses a race against anything that has settled already. */
async function settled(): Promise<string> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  return "";
}
