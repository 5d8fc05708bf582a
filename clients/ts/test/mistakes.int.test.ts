import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type Http2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createStreamkit, memoryStorage, type Streamkit } from "@streamkit/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createStreamkitClient, type RetryEvent, StreamkitError } from "../src/index.ts";
import { createNodeTransport, type NodeTransportOptions } from "../src/node.ts";
import { createWebTransport } from "../src/web.ts";
import { type Certificate, makeCertificate } from "./certificates.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

let streamkit: Streamkit;
let certificate: Certificate;
let expired: Certificate;
let misnamed: Certificate;
const running: AsyncDisposable[] = [];
/** Addresses of the servers below. */
const address: Record<string, string> = {};

beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage() });
  [certificate, expired, misnamed] = await Promise.all([
    makeCertificate("IP:127.0.0.1"),
    makeCertificate("IP:127.0.0.1", true),
    makeCertificate("DNS:other.example"),
  ]);
  const handler = streamkit.handler();
  const page = (
    _: unknown,
    response: { setHeader: (name: string, value: string) => void; end: (text: string) => void },
  ) => {
    response.setHeader("content-type", "text/html");
    response.end("<html>welcome</html>");
  };
  address["HTTP/1.1"] = await start(createHttpServer(handler), "http");
  address["HTTP/2"] = await start(createHttp2Server(handler), "http");
  address["TLS, HTTP/1.1"] = await start(createHttpsServer(certificate, handler), "https");
  address["TLS, both"] = await start(createSecureServer({ ...certificate, allowHTTP1: true }, handler), "https");
  address["TLS, expired"] = await start(createHttpsServer(expired, handler), "https");
  address["TLS, misnamed"] = await start(createHttpsServer(misnamed, handler), "https");
  address["a web site"] = await start(createHttpServer(page), "http");
  address["a web site, HTTP/2"] = await start(createHttp2Server(page as never), "http");
  address.SMTP = await start(
    createServer((socket) => socket.on("error", () => {}).end("220 mail.example ESMTP\r\n")),
    "http",
  );
  address["a redirect"] = await start(
    createHttpServer((_, response) => response.writeHead(302, { location: "https://login.example/" }).end()),
    "http",
  );
});

afterAll(async () => {
  for (const server of running) await server[Symbol.asyncDispose]();
  await streamkit.close();
});

async function start(server: Server | Http2Server, scheme: string): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  running.push({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const asHttps = (url: string) => url.replace("http:", "https:");
const asHttp = (url: string) => url.replace("https:", "http:");

type Options = Omit<NodeTransportOptions, "baseUrl">;

/** Each mistake with its address, the options of the transport, and a part of the message. */
const MISTAKES: Record<string, { url: () => string; options?: () => Options; says: RegExp }> = {
  "an untrusted certificate": { url: () => address["TLS, both"], says: /not trusted: self-signed.*nodeOptions\.ca/ },
  "an untrusted certificate, HTTP/1.1": { url: () => address["TLS, HTTP/1.1"], says: /not trusted: self-signed/ },
  "an expired certificate": {
    url: () => address["TLS, expired"],
    options: () => ({ nodeOptions: { ca: expired.cert } }),
    says: /not valid now: certificate has expired.*Renew/,
  },
  "a certificate for another name": {
    url: () => address["TLS, misnamed"],
    options: () => ({ nodeOptions: { ca: misnamed.cert } }),
    says: /for another name/,
  },
  "https to a port of HTTP/1.1": { url: () => asHttps(address["HTTP/1.1"]), says: /does not speak TLS.*http:\/\// },
  "https to a port of HTTP/2": { url: () => asHttps(address["HTTP/2"]), says: /does not speak TLS.*http:\/\// },
  "http to a port of TLS": { url: () => asHttp(address["TLS, both"]), says: /speaks TLS.*https:\/\/127/ },
  "http to a port of TLS and HTTP/1.1": { url: () => asHttp(address["TLS, HTTP/1.1"]), says: /speaks TLS.*https:/ },
  "a wrong path": { url: () => `${address["HTTP/1.1"]}/elsewhere`, says: /no Streamkit at this address.*HTTP 404/ },
  "a wrong path, HTTP/2": { url: () => `${address["HTTP/2"]}/elsewhere`, says: /no Streamkit.*HTTP 404/ },
  "a web site": { url: () => address["a web site"], says: /no Streamkit at this address.*text\/html/ },
  "a web site, HTTP/2": { url: () => address["a web site, HTTP/2"], says: /no Streamkit at this address.*text\/html/ },
  "a redirect": { url: () => address["a redirect"], says: /HTTP 302 with a redirect to https:\/\/login\.example/ },
  "another protocol": { url: () => address.SMTP, says: /does not speak HTTP.*220 mail\.example/ },
};

/** The same with a version that the application chose. */
const OF_VERSIONS: typeof MISTAKES = {
  "HTTP/2 to a server of HTTP/1.1": {
    url: () => address["HTTP/1.1"],
    options: () => ({ httpVersion: "2" }),
    says: /speaks HTTP\/1\.1 only.*httpVersion/,
  },
  "HTTP/2 to a server of HTTP/1.1 with TLS": {
    url: () => address["TLS, HTTP/1.1"],
    options: () => ({ httpVersion: "2", nodeOptions: { ca: certificate.cert } }),
    says: /HTTP\/1\.1 only|no application protocol/,
  },
  "HTTP/1.1 to a server of HTTP/2": {
    url: () => address["HTTP/2"],
    options: () => ({ httpVersion: "1.1" }),
    says: /does not answer in HTTP\/1\.1/,
  },
  "HTTP/2 without TLS to a port of TLS": {
    url: () => asHttp(address["TLS, both"]),
    options: () => ({ httpVersion: "2" }),
    says: /speaks TLS.*https:/,
  },
  "HTTP/1.1 without TLS to a port of TLS": {
    url: () => asHttp(address["TLS, both"]),
    options: () => ({ httpVersion: "1.1" }),
    says: /speaks TLS.*https:/,
  },
  "https to a port of HTTP/2": {
    url: () => asHttps(address["HTTP/2"]),
    options: () => ({ httpVersion: "2" }),
    says: /does not speak TLS/,
  },
};

/** Every kind of call fails at once: without a retry, with address and RPC. */
async function failsAtOnce(
  transport: ReturnType<typeof createNodeTransport>,
  url: string,
  says: RegExp,
): Promise<void> {
  const retries: RetryEvent[] = [];
  const client = createStreamkitClient({ transport, onRetry: (event) => retries.push(event) });
  const segment = client.store(STORE).space("s").segment("a");
  const calls: Record<string, () => Promise<unknown>> = {
    GetServerInfo: () => client.serverInfo(),
    "Append|Produce": () => segment.produce([Uint8Array.of(1)]),
    Append: () => segment.publish(Uint8Array.of(1)),
    ConsumeSegment: () => segment.follow()[Symbol.asyncIterator]().next(),
    SubscribeToSegmentStatus: () => segment.subscribe().next(),
  };
  for (const [rpc, call] of Object.entries(calls)) {
    const error = await call().then(
      () => expect.fail("it went well"),
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(StreamkitError);
    expect(error).toMatchObject({ reason: "MISCONFIGURED", retryable: false });
    expect(error.message).toMatch(says);
    expect(error.message).toMatch(new RegExp(`\\((${rpc}) at ${url}\\)`));
    expect(error.message).not.toContain("\n");
  }
  expect(retries).toEqual([]);
}

describe.each(Object.entries({ ...MISTAKES, ...OF_VERSIONS }))("M13: %s", (_, { url, options, says }) => {
  test("is told at once, and not retried", async () => {
    const transport = createNodeTransport({ baseUrl: url(), ...options?.() });
    await failsAtOnce(transport, url(), says);
  });
});

test.each([
  ["an untrusted certificate", () => address["TLS, both"], /not trusted: self-signed/],
  ["https to a port of HTTP/1.1", () => asHttps(address["HTTP/1.1"]), /does not speak TLS/],
  ["a wrong path", () => `${address["HTTP/1.1"]}/elsewhere`, /no Streamkit at this address.*HTTP 404/],
  ["a web site", () => address["a web site"], /no Streamkit at this address.*text\/html/],
])("M13: %s is told at once by the transport over fetch, too", async (_, url, says) => {
  await failsAtOnce(createWebTransport({ baseUrl: url() }), url(), says);
});

test.each([
  ["", /expected a URL/],
  ["127.0.0.1:8080", /expected a URL|expected an address with http/],
  ["http://", /expected a URL/],
  ["ftp://127.0.0.1", /http:\/\/ or https:\/\//],
  ["ws://127.0.0.1", /http:\/\/ or https:\/\//],
  ["http://127.0.0.1:99999", /expected a URL/],
  ["http://127.0.0.1/?token=1", /without "\?"/],
  ["http://user:secret@127.0.0.1", /without credentials/],
])("M13: the address %j is refused before any call", (baseUrl, says) => {
  for (const create of [createNodeTransport, createWebTransport]) {
    const refused = expect.objectContaining({ reason: "INVALID_FIELD", message: expect.stringMatching(says) });
    expect(() => create({ baseUrl })).toThrow(refused);
    expect(() => create({ baseUrl })).not.toThrow("secret");
  }
});

test("M13: an unknown host and a port without a server are tried again, for a bounded time, and named", async () => {
  const retry = { initialDelayMillis: 1, maxDelayMillis: 1 };
  // An error as a resolver reports it. Some machines have no resolver, so the test does not ask one.
  const lookup: NodeTransportOptions["nodeOptions"] = {
    lookup: (host, _, done) => {
      const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" });
      done(error, "", 4);
    },
  };
  for (const [url, says] of [
    ["http://does-not-exist.invalid", /ENOTFOUND/],
    ["http://127.0.0.1:1", /ECONNREFUSED/],
  ] as const) {
    for (const httpVersion of ["auto", "1.1", "2"] as const) {
      const retries: RetryEvent[] = [];
      const transport = createNodeTransport({ baseUrl: url, httpVersion, nodeOptions: lookup });
      const client = createStreamkitClient({ transport, retry, onRetry: (event) => retries.push(event) });
      const error = await client.serverInfo().catch((thrown) => thrown);
      expect(error).toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
      expect(error.message).toMatch(says);
      expect(error.message).toContain(`GetServerInfo at ${url}`);
      expect(retries).toHaveLength(9);
    }
  }
  // A wrong name would keep a follower waiting for ever. A right name exists soon.
  const transport = createNodeTransport({ baseUrl: "http://does-not-exist.invalid", nodeOptions: lookup });
  const segment = createStreamkitClient({ transport, retry }).store(STORE).space("s").segment("a");
  for (const call of [() => segment.follow()[Symbol.asyncIterator]().next(), () => segment.subscribe().next()]) {
    await expect(call()).rejects.toMatchObject({
      reason: "CONNECTION_LOST",
      message: expect.stringMatching(/ENOTFOUND/),
    });
  }
});
