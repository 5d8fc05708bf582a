/**
 * The examples of docs/embedding.md and README, as programs: pages beside Streamkit, the documented clients, and
 * shutdown.
 */
import { once } from "node:events";
import { readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { createStreamkitClient, type StreamkitError } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { encodeFrame, type Frame, FrameKind, RequestSchema, readFrames } from "@streamkit/protocol/transport";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { examplePath, testFolder } from "../process/example.ts";
import { runProgram } from "../process/run-program.ts";
import { HTTP_EMBEDDINGS, startEmbedding } from "./matrix/servers.ts";

/** Embeddings with a page of the application at /hello. */
const WITH_PAGES = new Set(["listen", "http", "express", "fastify", "hono"]);

/** Keeps a follower open while the server is told to end. */
async function followToTheEnd(baseUrl: string, httpVersion: "1.1" | "2", ca: string | undefined, end: () => void) {
  const transport = createNodeTransport({
    baseUrl,
    httpVersion,
    protocol: "connect",
    ...(ca !== undefined && { nodeOptions: { ca } }),
  });
  // Without retries, so that the follower's error shows how the server ended it.
  const client = createStreamkitClient({ transport, retry: { maxAttempts: 1 } });
  const segment = client.store(crypto.randomUUID()).space("deliveries").segment("van-3");
  const follow = async () => {
    for await (const _ of segment.follow({ onCaughtUp: end })) throw new Error("nothing was written");
  };
  return await follow().then(
    () => expect.unreachable("the follower ended without an error"),
    (error: StreamkitError) => error,
  );
}

test.each(HTTP_EMBEDDINGS)("$example: pages, and a shutdown that streams learn of", async (embedding) => {
  const { target, program } = await startEmbedding(embedding);
  if (WITH_PAGES.has(embedding.example)) {
    expect((await fetch(`${target.baseUrl}/hello`)).status).toBe(200);
    expect((await fetch(`${target.baseUrl}/elsewhere`)).status).toBe(404);
  }
  const end = () => program.child.kill("SIGTERM");
  const error = await followToTheEnd(target.baseUrl, embedding.http[0], target.tls?.cert, end);
  expect(error.reason).toBe("SHUTTING_DOWN");
  expect(await program.exit, program.output()).toBe(0);
  expect(program.output()).not.toContain("Error");
});

test.each(HTTP_EMBEDDINGS.filter(({ http }) => http.includes("1.1")))(
  "$example: calls over a WebSocket, to an orderly end",
  async (embedding) => {
    const { target, program } = await startEmbedding(embedding);
    const url = `${target.baseUrl.replace(/^http/, "ws")}/streamkit.v1/socket`;
    const socket = new WebSocket(url, "streamkit.v1", { ...(target.tls && { ca: target.tls.cert }) });
    const frames: Frame[] = [];
    socket.on("message", (data: Buffer) => void frames.push(...readFrames(data)));
    await once(socket, "open");
    const path = "/streamkit.v1.StoreService/GetServerInfo";
    const request = toBinary(RequestSchema, create(RequestSchema, { path, message: new Uint8Array() }));
    socket.send(encodeFrame(FrameKind.REQUEST, 1, request));
    await expect.poll(() => frames.find(({ kind }) => kind === FrameKind.RESULT)?.payload.length).toBeGreaterThan(20);
    const foreign = new WebSocket(url, "streamkit.v1", { origin: "https://evil.example", rejectUnauthorized: false });
    const [refused] = await once(foreign, "error");
    expect(String(refused)).toContain("403");
    program.child.kill("SIGTERM");
    const [code] = await once(socket, "close");
    expect(code).toBe(1001);
    expect(await program.exit, program.output()).toBe(0);
  },
);

test("an upgrade for another path is the application's", async () => {
  const { target } = await startEmbedding(embeddingOf("http"));
  const other = new WebSocket(`${target.baseUrl.replace(/^http/, "ws")}/chat`);
  const [error] = await once(other, "error");
  expect(String(error)).toMatch(/socket hang up|ECONNRESET/);
  expect((await fetch(`${target.baseUrl}/hello`)).status).toBe(200);
});

const embeddingOf = (name: string) => HTTP_EMBEDDINGS.find(({ example }) => example === name)!;

test.each(["listen", "http", "express"])(
  "README: the documented client works with the documented server %s (H9)",
  async (name) => {
    const { target } = await startEmbedding(embeddingOf(name));
    const client = runProgram(examplePath("quickstart"), { args: [target.baseUrl] });
    expect(await client.exit, client.output()).toBe(0);
    expect(client.output()).toContain("3 order-2001-18 placed\n");
  },
);

test("the Node client uses Connect if gRPC is refused, even if its first call is a Produce session", async () => {
  const { target } = await startEmbedding(embeddingOf("hono-http2"));
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: target.baseUrl }) });
  const segment = client.store(crypto.randomUUID()).space("s").segment("a");
  const records = Array.from({ length: 2_500 }, (_, i) => Uint8Array.of(i));
  expect((await segment.produce(records)).lastSequence).toBe(2_500);
  const read: number[] = [];
  for await (const { payload } of segment.consume()) read.push(payload[0]);
  expect(read).toEqual(records.map(([byte]) => byte));
});

test("README: client and servers use the same port when no port is given (H9)", async () => {
  const sources = await Promise.all(
    ["quickstart", "embedding/listen", "embedding/express"].map((name) => readFile(examplePath(name), "utf8")),
  );
  for (const source of sources) expect(source).toContain("8080");
});

test("a Next.js route handler serves its prefix", async () => {
  const file = fileURLToPath(new URL("./matrix/call-next-route.ts", import.meta.url));
  const program = runProgram(file, { cwd: await testFolder() });
  expect(await program.exit, program.output()).toBe(0);
  expect(program.output()).toBe("200 1 404\n");
});

test("a body parser in front of streamkit.handler() is reported as the mistake", async () => {
  const program = runProgram(fileURLToPath(new URL("./matrix/parser-first.ts", import.meta.url)));
  expect(await program.exit, program.output()).toBe(0);
  expect(program.output()).toMatch(/^500 .*read before streamkit\.handler\(\).*before any body parser/);
});

test.each([
  { format: "esm", external: ["level", "memory-level", "@node-rs/crc32", "ws"] },
  { format: "cjs", external: ["level", "@node-rs/crc32"] },
] as const)("a bundle of esbuild ($format) serves", async ({ format, external }) => {
  const folder = await testFolder();
  const outfile = join(folder, format === "esm" ? "app.mjs" : "app.cjs");
  const conditions = ["@streamkit/source"];
  const entryPoints = [examplePath("embedding/http")];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format, external: [...external], conditions });
  const installed = fileURLToPath(new URL("../../../node_modules", import.meta.url));
  await symlink(installed, join(folder, "node_modules"));
  const program = runProgram(outfile, { cwd: folder, env: { PORT: "0" } });
  const [, port] = await program.outputMatching(/port: (\d+)/);
  const transport = createNodeTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: "1.1" });
  const segment = createStreamkitClient({ transport }).store(crypto.randomUUID()).space("s").segment("a");
  expect((await segment.publish(Uint8Array.of(1))).lastSequence).toBe(1);
  program.child.kill("SIGTERM");
  expect(await program.exit, program.output()).toBe(0);
});
