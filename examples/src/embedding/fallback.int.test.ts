/** Applications of frameworks behind `streamkit.listen({ fallback })`, over both versions of HTTP. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { connect, constants } from "node:http2";
import { promisify } from "node:util";
import { getRequestListener } from "@hono/node-server";
import { createStreamkit, type Fallback, memoryStorage } from "@streamkit/server";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { testFolder } from "../process/example.ts";
import { makeCertificate } from "./matrix/servers.ts";

const curl = promisify(execFile);

const expressApp = express();
expressApp.get("/hello", (_request, response) => void response.send("hello"));

const honoApp = new Hono();
honoApp.get("/hello", (context) => context.text("hello"));

const fastifyApp = fastify();
fastifyApp.get("/hello", () => "hello");

const APPLICATIONS: readonly { name: string; fallback: Fallback; overHttp2: boolean }[] = [
  { name: "Express", fallback: expressApp, overHttp2: false },
  { name: "Hono", fallback: getRequestListener(honoApp.fetch), overHttp2: true },
  { name: "Fastify", fallback: fastifyApp.routing, overHttp2: true },
];

const INFO = "/streamkit.v1.StoreService/GetServerInfo";

test.each(APPLICATIONS)("$name behind listen({ fallback }), with TLS", async ({ name, fallback, overHttp2 }) => {
  await fastifyApp.ready();
  const tls = await makeCertificate(await testFolder());
  const key = await readFile(tls.keyFile);
  await using streamkit = createStreamkit({ storage: memoryStorage() });
  const { url } = await streamkit.listen({ port: 0, tls: { cert: tls.cert, key }, fallback });

  // Over HTTP/2 an Express application would end the process. The answer asks the client to use HTTP/1.1.
  const session = connect(url, { ca: tls.cert });
  const stream = session.request({ ":path": "/hello" });
  const outcome = await new Promise((resolve) => {
    stream.once("response", (headers) => resolve(headers[":status"]));
    stream.once("error", () => resolve(stream.rstCode));
  });
  expect(outcome, name).toBe(overHttp2 ? 200 : constants.NGHTTP2_HTTP_1_1_REQUIRED);
  session.destroy();

  for (const version of ["--http1.1", "--http2"]) {
    const page = await curl("curl", ["--silent", "--show-error", version, "--cacert", tls.certFile, `${url}/hello`]);
    expect(page.stdout, `${name} ${version}`).toBe("hello");
    const call = ["--json", "{}", `${url}${INFO}`];
    const info = await curl("curl", ["--silent", "--show-error", version, "--cacert", tls.certFile, ...call]);
    expect(JSON.parse(info.stdout), `${name} ${version}`).toMatchObject({ storage: "memory" });
  }
});

test("CORS of Streamkit does not apply to the application's pages", async () => {
  const origin = "https://app.example";
  await using streamkit = createStreamkit({ storage: memoryStorage(), cors: [origin] });
  const { url } = await streamkit.listen({
    port: 0,
    fallback: (request, response) => response.end(`${request.method} of the application`),
  });
  const call = await fetch(url + INFO, {
    method: "POST",
    headers: { origin, "content-type": "application/json" },
    body: "{}",
  });
  expect(call.headers.get("access-control-allow-origin")).toBe(origin);
  for (const method of ["GET", "OPTIONS"]) {
    const page = await fetch(`${url}/pages`, { method, headers: { origin } });
    expect(await page.text()).toBe(`${method} of the application`);
    expect(page.headers.get("access-control-allow-origin")).toBeNull();
  }
});
