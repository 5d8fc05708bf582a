import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setDefaultCACertificates } from "node:tls";
import { promisify } from "node:util";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import { onTestFinished } from "vitest";
import { examplePath, testFolder } from "../../process/example.ts";
import { type Program, runProgram } from "../../process/run-program.ts";
import type { HttpVersion, Target } from "./clients.ts";

/** A way to embed Streamkit, and the clients that it can serve. */
export interface Embedding {
  readonly name: string;
  /** Example program; absent for `streamkit.fetch` without a port. */
  readonly example?: string;
  readonly tls?: true;
  /** Versions of HTTP on its port. */
  readonly http: readonly HttpVersion[];
  /** True if the answer is a Response of the Fetch API, which cannot have the trailers of gRPC. */
  readonly fetch?: true;
}

export const EMBEDDINGS: readonly Embedding[] = [
  { name: "`streamkit.listen()`", example: "listen", http: ["1.1", "2"] },
  { name: "`http.createServer`", example: "http", http: ["1.1"] },
  { name: "`https.createServer`", example: "https", tls: true, http: ["1.1"] },
  { name: "`http2.createServer`", example: "http2", http: ["2"] },
  { name: "`http2.createSecureServer`", example: "http2-tls", tls: true, http: ["1.1", "2"] },
  { name: "Express 5", example: "express", http: ["1.1"] },
  { name: "Fastify", example: "fastify", http: ["1.1"] },
  { name: "Fastify, `http2: true`", example: "fastify-http2", http: ["2"] },
  { name: "Hono", example: "hono", http: ["1.1"], fetch: true },
  { name: "Hono, HTTP/2", example: "hono-http2", http: ["2"], fetch: true },
  { name: "`streamkit.fetch`, no port", http: [], fetch: true },
];

/** The embeddings with a port. */
export const HTTP_EMBEDDINGS = EMBEDDINGS.filter(
  (embedding): embedding is Embedding & { readonly example: string } => embedding.example !== undefined,
);

/** A running server of the matrix. It ends with the test. */
export interface RunningServer {
  readonly target: Target;
  readonly program: Program;
}

/** Serves a function without a port, to clients over fetch in this process. */
export function startFetchHandler(): Target {
  const streamkit = createStreamkit({ storage: memoryStorage() });
  onTestFinished(() => streamkit.close());
  const fetch: typeof globalThis.fetch = (input, init) => streamkit.fetch(new Request(input, init));
  return { baseUrl: "http://streamkit.example", fetch };
}

/** Starts an embedding's example program on a free port. */
export async function startEmbedding({
  example,
  tls,
}: Embedding & { readonly example: string }): Promise<RunningServer> {
  const folder = await testFolder();
  const certificate = tls && (await makeCertificate(folder));
  const env = certificate && { TLS_CERT: certificate.certFile, TLS_KEY: certificate.keyFile };
  const program = runProgram(examplePath(`embedding/${example}`), { cwd: folder, env: { PORT: "0", ...env } });
  onTestFinished(async () => {
    program.child.kill("SIGKILL");
    await program.exit;
  });
  const [, port] = await program.outputMatching(/listening on .*(?:port: |:)(\d+)/s);
  const baseUrl = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
  return { target: { baseUrl, ...(certificate && { tls: certificate }) }, program };
}

/** Makes a self-signed certificate for 127.0.0.1, and makes fetch in this process trust it. */
export async function makeCertificate(folder: string) {
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", keyFile];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  await promisify(execFile)("openssl", ["req", "-x509", ...key, "-days", "2", ...subject, "-out", certFile]);
  const cert = await readFile(certFile, "utf8");
  setDefaultCACertificates([cert]);
  return { cert, certFile, keyFile };
}
