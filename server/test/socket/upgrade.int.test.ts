/** Opening a socket: hosts and origins of strangers, subprotocols, limits, and requests that want another protocol. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCertificate } from "../../src/bus/test/certificate.ts";
import { createStreamkit, type Listener, memoryStorage, type Streamkit, type StreamkitEvent } from "../../src/index.ts";
import { exchange } from "../doors/raw.ts";
import { RawSocket } from "./raw-socket.ts";

const INFO = "/streamkit.v1.StoreService/GetServerInfo";

let streamkit: Streamkit;
let listener: Listener;
const events: StreamkitEvent[] = [];
beforeAll(async () => {
  streamkit = createStreamkit({
    storage: memoryStorage(),
    cors: ["https://app.example"],
    onEvent: (event) => events.push(event),
  });
  listener = await streamkit.listen({ port: 0, allowedHosts: ["streams.example"] });
});
afterAll(() => streamkit.close());

const WISH = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-protocol": "streamkit.v1",
};

/** Asks for a socket; the answer up to where the server closes, or a socket begins. */
function upgrade(headers: Record<string, string>, url = listener.url, path = "/streamkit.v1/socket") {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const asked = httpRequest(`${url}${path}`, { headers: { ...WISH, ...headers } });
    asked.once("error", reject);
    asked.once("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: 101, headers: response.headers, body: "" });
    });
    asked.once("response", async (response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
    asked.end();
  });
}

describe("a socket is opened", () => {
  it.each([
    ["by a program", {}],
    ["by a page of the server", { host: "localhost:8080", origin: "http://localhost:8080" }],
    ["by a page that may call", { origin: "https://app.example" }],
    ["at a host name that was allowed", { host: "streams.example" }],
    ["with other subprotocols on offer", { "sec-websocket-protocol": "x, streamkit.v1" }],
    ["without compression, which was on offer", { "sec-websocket-extensions": "permessage-deflate" }],
  ])("%s", async (_, headers) => {
    const { status, headers: found } = await upgrade(headers);
    expect(status).toBe(101);
    expect(found["sec-websocket-protocol"]).toBe("streamkit.v1");
    expect(found["sec-websocket-extensions"]).toBe(undefined);
  });

  it("with a query", async () => {
    expect((await upgrade({}, listener.url, "/streamkit.v1/socket?x=1")).status).toBe(101);
  });
});

describe("a socket is refused", () => {
  it.each([
    ["a foreign page", { origin: "https://evil.example" }, 403, /pages of .*evil.example.* must not call/],
    ["a page from a file", { origin: "null" }, 403, /must not call/],
    ["a name that was bound to this address", { host: "attacker.example" }, 403, /does not answer to the host name/],
    ["a host that is none", { host: "a b" }, 400, /names the host/],
    ["no subprotocol", { "sec-websocket-protocol": "" }, 400, /expected streamkit\.v1/],
    ["another subprotocol", { "sec-websocket-protocol": "streamkit.v2" }, 400, /expected streamkit\.v1/],
    ["a key that is none", { "sec-websocket-key": "x" }, 400, /Sec-WebSocket-Key/],
    ["another version", { "sec-websocket-version": "7" }, 400, /Sec-WebSocket-Version/],
  ])("%s", async (_, headers, status, text) => {
    const answer = await upgrade(headers);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body).message).toMatch(text);
  });

  it("a connection beyond the limits, with a time to come back", async () => {
    await using full = createStreamkit({
      storage: memoryStorage(),
      limits: { connectionsPerAddress: 1 },
      onEvent: () => undefined,
    });
    const server = createServer();
    server.on("upgrade", (request, socket, head) => full.handleUpgrade(request, socket, head));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const first = await RawSocket.open(url);
    const answer = await upgrade({}, url);
    expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(JSON.parse(answer.body)).toEqual({ code: "unavailable", message: expect.stringMatching(/has 1 sockets/) });
    first.socket.close();
    await first.closed;
    await expect.poll(async () => (await upgrade({}, url)).status).toBe(101);
    await full.close();
    expect((await upgrade({}, url)).status).toBe(503);
    server.close();
  });

  it("and is told to the operator", async () => {
    const before = streamkit.counts().kinds.get("request-refused") ?? 0;
    await upgrade({ origin: "https://evil.example" });
    expect(streamkit.counts().kinds.get("request-refused")).toBe(before + 1);
  });
});

describe("requests that want another protocol", () => {
  const body = "{}";
  const h2c = "connection: keep-alive, Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__";
  const call = `POST ${INFO} HTTP/1.1\r\nhost: localhost\r\n${h2c}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const plain = `GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`;

  it("are answered as if they had not asked, and their connection goes on", async () => {
    const text = await exchange(listener.url, `${call}${body}${plain}`);
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(text).toContain('"maxRecordBytes"');
  });

  it("also when the body comes later", async () => {
    const socket = connectTcp(listener.port, "127.0.0.1");
    socket.write(call);
    await new Promise((resolve) => setImmediate(resolve));
    socket.end(`${body}${plain}`);
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  });

  it("also with TLS, where sockets are opened too", async () => {
    await using certificate = await makeCertificate();
    const tls = { cert: await readFile(certificate.certFile), key: await readFile(certificate.keyFile) };
    const secure = await streamkit.listen({ port: 0, tls });
    const socket = connectTls({ port: secure.port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.write(`${call}${body}${plain}`);
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    using opened = await RawSocket.open(secure.url);
    expect((await opened.call({ path: INFO, message: Buffer.alloc(0) })).code).toBe(0);
  });

  it("for another path reach the application's pages", async () => {
    const other = await streamkit.listen({ port: 0, fallback: (_request, response) => void response.end("page") });
    expect(await upgrade({}, other.url, "/page")).toMatchObject({ status: 200, body: "page" });
  });

  it("of which a proxy took the wish are told so", async () => {
    const answer = await fetch(`${listener.url}/streamkit.v1/socket`);
    expect([answer.status, answer.headers.get("upgrade")]).toEqual([426, "websocket"]);
    expect(await answer.json()).toEqual({ code: "failed_precondition", message: expect.stringMatching(/proxy/) });
  });
});
