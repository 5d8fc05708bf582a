/** Client certificates: which clients get in, and the part of a certificate that a request carries. */

import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { peerOf } from "../../src/http/peer-certificate.ts";
import { createStreamkit, memoryStorage, type Streamkit, type StreamkitEvent } from "../../src/index.ts";
import { type Authority, makeAuthority, type Pair } from "./authority.ts";
import { getHttp1, getHttp2, openTls } from "./secure-client.ts";

let authority: Authority;
let foreign: Authority;
let server: Pair;
let client: Pair;
let events: StreamkitEvent[];
let streamkit: Streamkit;

beforeAll(async () => {
  [authority, foreign] = await Promise.all([makeAuthority(), makeAuthority("foreign")]);
  server = await authority.issue({ names: ["IP:127.0.0.1"], use: "serverAuth" });
  const names = ["URI:spiffe://example/orders", "URI:spiffe://example/second", "DNS:orders.example"];
  client = await authority.issue({ subject: "/CN=orders/O=Example", names, use: "clientAuth" });
  events = [];
  streamkit = createStreamkit({ storage: memoryStorage(), onEvent: (event) => events.push(event) });
});
afterAll(async () => {
  await streamkit.close();
  await Promise.all([authority[Symbol.asyncDispose](), foreign[Symbol.asyncDispose]()]);
});

/** A port that answers GET with what its requests know of their client. */
async function listen(clientCertificate?: "request" | "require", clientCa: Buffer | undefined = authority.cert) {
  const { url } = await streamkit.listen({
    port: 0,
    tls: { ...server, ...(clientCa && { clientCa }), ...(clientCertificate && { clientCertificate }) },
    fallback: (request, response) => void response.end(JSON.stringify(peerOf(request) ?? "none")),
  });
  return `${url}/peer`;
}

const clients: [name: string, get: (url: string, options: ConnectionOptions) => Promise<string>][] = [
  ["HTTP/1.1", getHttp1],
  ["HTTP/2", getHttp2],
];

describe.each(clients)("a client over %s", (_, get) => {
  it.each(["request", "require"] as const)("is known by its certificate (%s)", async (rule) => {
    const peer = JSON.parse(await get(await listen(rule), { ca: authority.cert, ...client }));
    expect(peer).toEqual({
      subject: "CN=orders\nO=Example",
      uris: ["spiffe://example/orders", "spiffe://example/second"],
      dnsNames: ["orders.example"],
      fingerprint256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
      expiresAt: expect.any(Number),
    });
    expect(peer.expiresAt).toBeGreaterThan(Date.now());
  });

  describe("is unknown", () => {
    const others: [name: string, options: () => Promise<Partial<Pair>>][] = [
      ["without a certificate", async () => ({})],
      ["with one of a foreign authority", () => foreign.issue({ names: ["URI:spiffe://example/orders"] })],
      ["with one that has expired", () => authority.issue({ end: "20200201000000Z" })],
      ["with one of a server", () => authority.issue({ use: "serverAuth" })],
    ];

    it.each(others)("%s, and gets in where certificates are requested", async (_, options) => {
      expect(await get(await listen("request"), { ca: authority.cert, ...(await options()) })).toBe('"none"');
    });

    it.each(others)("%s, and is cut off where they are required", async (_, options) => {
      const before = streamkit.counts().kinds.get("connection-refused") ?? 0;
      await expect(get(await listen(), { ca: authority.cert, ...(await options()) })).rejects.toThrow();
      await expect.poll(() => streamkit.counts().kinds.get("connection-refused")).toBe(before + 1);
    });
  });

  it("is not asked for a certificate without clientCa", async () => {
    const { url } = await streamkit.listen({
      port: 0,
      tls: server,
      fallback: (request, response) => void response.end(JSON.stringify(peerOf(request) ?? "none")),
    });
    expect(await get(`${url}/peer`, { ca: authority.cert, ...client })).toBe('"none"');
  });
});

it("names the reason for which a client was cut off", async () => {
  await using other = createStreamkit({ storage: memoryStorage(), onEvent: (event) => events.push(event) });
  events = [];
  const { url } = await other.listen({ port: 0, tls: { ...server, clientCa: authority.cert } });
  const pair = await authority.issue({ end: "20200201000000Z" });
  await expect(getHttp1(url, { ca: authority.cert, ...pair })).rejects.toThrow();
  await expect
    .poll(() => events)
    .toContainEqual(
      expect.objectContaining({
        kind: "connection-refused",
        message: "a client has no valid certificate (CERT_HAS_EXPIRED)",
      }),
    );
});

it("reads the certificate once per connection", async () => {
  const peers = new Set<unknown>();
  const { url } = await streamkit.listen({
    port: 0,
    tls: { ...server, clientCa: authority.cert },
    fallback: (request, response) => {
      peers.add(peerOf(request));
      response.end();
    },
  });
  const socket = await openTls(url, { ca: authority.cert, ...client });
  const answers = new Promise<void>((resolve) => {
    let got = "";
    socket.on("data", (part) => {
      got += part;
      if (got.split("HTTP/1.1 200").length === 4) resolve();
    });
  });
  socket.write("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(3));
  await answers;
  socket.destroy();
  expect(peers.size).toBe(1);
  expect([...peers]).not.toContain(undefined);
});

it("knows the clients of an https server of the application", async () => {
  const application = createServer(
    { ...server, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
    (request, response) => void response.end(JSON.stringify(peerOf(request) ?? "none")),
  );
  await new Promise<void>((resolve) => application.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(application.address() as AddressInfo).port}`;
  const pair = await foreign.issue({ names: ["URI:spiffe://example/orders"] });
  expect(JSON.parse(await getHttp1(url, { ca: authority.cert, ...client }))).toMatchObject({
    uris: ["spiffe://example/orders", "spiffe://example/second"],
  });
  expect(await getHttp1(url, { ca: authority.cert, ...pair })).toBe('"none"');
  await new Promise((resolve) => application.close(resolve));
});

/** Cause: a name with a separator in it could fake a second name. */
it("takes a name with a separator as one name", async () => {
  const pair = await authority.issue({ names: ["URI:spiffe://example/a, URI:spiffe://example/admin"] });
  expect(JSON.parse(await getHttp1(await listen(), { ca: authority.cert, ...pair }))).toMatchObject({
    uris: ["spiffe://example/a, URI:spiffe://example/admin"],
  });
});
