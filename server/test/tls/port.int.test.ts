/** A port with TLS: versions and protocols, limits, files that do not work, and new files while it runs. */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import tls, { type ConnectionOptions, connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createStreamkit,
  type Listener,
  memoryStorage,
  type ServerLimits,
  type StreamkitEvent,
  type TlsOptions,
  UnusableTlsError,
} from "../../src/index.ts";
import { RawSocket } from "../socket/raw-socket.ts";
import { type Authority, makeAuthority, type Pair } from "./authority.ts";
import { getHttp1, getHttp2, openTls } from "./secure-client.ts";

let authority: Authority;
let server: Pair;

beforeAll(async () => {
  authority = await makeAuthority();
  server = await authority.issue({ names: ["IP:127.0.0.1"] });
});
afterAll(() => authority[Symbol.asyncDispose]());

interface Port extends AsyncDisposable {
  readonly listener: Listener;
  readonly url: string;
  /** Number of connections that the server refused so far. */
  readonly refused: () => number;
  readonly events: readonly StreamkitEvent[];
}

async function listen(tls: TlsOptions = server, limits: Partial<ServerLimits> = {}): Promise<Port> {
  const events: StreamkitEvent[] = [];
  const streamkit = createStreamkit({ storage: memoryStorage(), limits, onEvent: (event) => events.push(event) });
  const listener = await streamkit.listen({ port: 0, tls, fallback: (_, response) => void response.end("hello") });
  return {
    listener,
    url: listener.url,
    events,
    refused: () => streamkit.counts().kinds.get("connection-refused") ?? 0,
    [Symbol.asyncDispose]: () => streamkit.close(),
  };
}

/** The name of the certificate that new connections get. */
async function subjectOf({ url }: Port): Promise<string | string[] | undefined> {
  const socket = await openTls(url, { ca: authority.cert });
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}

describe("versions and protocols", () => {
  it.each([
    [["h2"], "h2"],
    [["http/1.1"], "http/1.1"],
    [["http/1.1", "h2"], "h2"],
    [[], false],
  ])("of ALPN %j, takes %s", async (ALPNProtocols, chosen) => {
    await using port = await listen();
    const socket = await openTls(port.url, { ca: authority.cert, ALPNProtocols });
    expect(socket.alpnProtocol).toBe(chosen);
    socket.destroy();
  });

  it("answers HTTP/1.1, HTTP/2 and WebSockets on one port", async () => {
    await using port = await listen();
    const options = { ca: authority.cert };
    expect(await getHttp1(port.url, options)).toBe("hello");
    expect(await getHttp2(port.url, options)).toBe("hello");
    using socket = await RawSocket.open(port.url);
    const message = Buffer.alloc(0);
    expect(await socket.call({ path: "/streamkit.v1.StoreService/GetServerInfo", message })).toMatchObject({ code: 0 });
  });

  it("takes TLS 1.2 and 1.3, and no older version, also where Node would", async () => {
    // As the flags --tls-min-v1.0 and --tls-cipher-list of Node.
    const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
    Object.assign(tls, { DEFAULT_MIN_VERSION: "TLSv1", DEFAULT_CIPHERS: "ALL:@SECLEVEL=0" });
    await using port = await listen().finally(() => Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS }));
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const socket = await openTls(port.url, { ca: authority.cert, minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
      socket.destroy();
    }
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
    await expect(openTls(port.url, { ca: authority.cert, ...old })).rejects.toThrow(/protocol.version/i);
    expect(port.events).toContainEqual(expect.objectContaining({ message: "a TLS handshake failed" }));
  });

  it("answers to names that it knows only", async () => {
    await using port = await listen();
    const ask = async (host: string) => {
      const socket = await openTls(port.url, { ca: authority.cert });
      socket.end(`GET /streamkit.v1.StoreService/GetServerInfo HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      return (await text(socket)).split("\r\n")[0];
    };
    expect(await ask("attacker.example")).toBe("HTTP/1.1 403 Forbidden");
    expect(await ask("localhost")).not.toContain("403");
  });
});

describe("limits", () => {
  /** Connections that have begun a handshake, and never end it. */
  async function halfOpen(url: string, count: number): Promise<Socket[]> {
    const { hostname, port } = new URL(url);
    return Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connectTcp(Number(port), hostname);
        socket.on("error", () => undefined);
        await once(socket, "connect");
        socket.write(Buffer.from("16030100a5010000a10303", "hex"));
        socket.resume();
        return socket;
      }),
    );
  }
  const closed = (socket: Socket) => (socket.destroyed ? undefined : once(socket, "close"));

  it("ends handshakes that take too long, and counts them", async () => {
    await using port = await listen(server, { headerMillis: 300 });
    const sockets = await halfOpen(port.url, 10);
    await Promise.all(sockets.map(closed));
    expect(port.refused()).toBe(10);
    expect(port.events[0]).toMatchObject({ kind: "connection-refused", message: "a TLS handshake failed" });
    expect(await getHttp1(port.url, { ca: authority.cert })).toBe("hello");
  });

  it.each([
    ["HTTP/1.1", ["http/1.1"]],
    ["no protocol", []],
  ])("ends a connection with %s that stays silent after its handshake", async (_, ALPNProtocols) => {
    await using port = await listen(server, { headerMillis: 300 });
    const socket = await openTls(port.url, { ca: authority.cert, ALPNProtocols });
    socket.resume();
    await closed(socket);
  });

  it("bounds half-open handshakes as connections, and takes others once they have gone", async () => {
    const most = 20;
    await using port = await listen(server, { connectionsPerAddress: most, headerMillis: 600_000 });
    const sockets = await halfOpen(port.url, 3 * most);
    await expect.poll(() => sockets.filter(({ destroyed }) => destroyed).length).toBe(2 * most);
    // One refusal for each connection: the handshake of a refused connection does not begin.
    expect(port.refused()).toBe(2 * most);
    await expect(getHttp1(port.url, { ca: authority.cert })).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => getHttp1(port.url, { ca: authority.cert }).catch(() => undefined)).toBe("hello");
  });

  it("survives peers that leave or break the handshake at any point", async () => {
    await using port = await listen();
    const { hostname, port: number } = new URL(port.url);
    for (const bytes of [
      "",
      "16",
      "16030100a5010000a10303",
      "ff".repeat(100),
      "474554202f20485454502f312e310d0a0d0a",
    ]) {
      for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
        const socket = connectTcp(Number(number), hostname);
        socket.on("error", () => undefined);
        await once(socket, "connect");
        if (bytes !== "") socket.write(Buffer.from(bytes, "hex"));
        socket.resume();
        socket[leave]();
        await closed(socket);
      }
    }
    expect(await getHttp2(port.url, { ca: authority.cert })).toBe("hello");
  });

  it("closes all connections when it closes", async () => {
    const port = await listen();
    const idle = await openTls(port.url, { ca: authority.cert });
    const [half] = await halfOpen(port.url, 1);
    idle.resume();
    await port[Symbol.asyncDispose]();
    await Promise.all([closed(idle), closed(half as Socket)]);
  });
});

describe("files that do not work", () => {
  const DAMAGED = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  const cases: [name: string, tls: () => Promise<TlsOptions>, message: string][] = [
    ["no certificate", async () => ({ ...server, cert: "x" }), "tls.cert has no certificate in PEM format"],
    ["a damaged one", async () => ({ ...server, cert: DAMAGED }), "tls.cert has a damaged certificate, number 1"],
    [
      "a damaged one in the chain",
      async () => ({ ...server, cert: `${server.cert}${DAMAGED}` }),
      "tls.cert has a damaged certificate, number 2",
    ],
    ["no key", async () => ({ ...server, key: "x" }), "tls.key is not a private key in PEM format"],
    ["a key in place of the certificate", async () => ({ ...server, cert: server.key }), "tls.cert has no certificate"],
    [
      "another key",
      async () => ({ ...server, key: (await authority.issue()).key }),
      "tls.key does not belong to the first certificate of the chain",
    ],
    [
      "a key of another type",
      async () => ({ ...server, key: (await authority.issue({ key: "rsa" })).key }),
      "tls.key does not belong to the first certificate of the chain",
    ],
    ["no authority", async () => ({ ...server, clientCa: "" }), "tls.clientCa has no certificate in PEM format"],
    ["a damaged authority", async () => ({ ...server, clientCa: DAMAGED }), "tls.clientCa has a damaged certificate"],
  ];

  it.each(cases)("%s: listen() throws", async (_, tls, message) => {
    await using streamkit = createStreamkit({ storage: memoryStorage() });
    const error = await streamkit.listen({ port: 0, tls: await tls() }).catch((error) => error);
    expect(error).toBeInstanceOf(UnusableTlsError);
    expect(error.message).toContain(message);
  });

  it.each(cases)("%s: renewTls() throws, and the port keeps its files", async (_, tls, message) => {
    await using port = await listen({ ...server, clientCa: authority.cert, clientCertificate: "request" });
    const files = { clientCa: authority.cert, ...(await tls()) };
    expect(() => port.listener.renewTls(files)).toThrow(message);
    expect(await getHttp1(port.url, { ca: authority.cert })).toBe("hello");
  });

  it("refuses new rules for clients", async () => {
    await using without = await listen();
    expect(() => without.listener.renewTls({ ...server, clientCa: authority.cert })).toThrow(TypeError);
    await using plain = createStreamkit({ storage: memoryStorage() });
    const listener = await plain.listen({ port: 0 });
    expect(() => listener.renewTls(server)).toThrow("the port speaks http");
  });
});

describe("new files", () => {
  it("serve new connections, and leave open ones alone", async () => {
    await using port = await listen();
    const before = await openTls(port.url, { ca: authority.cert });
    expect(await subjectOf(port)).toBe("streamkit test");
    const renewed = await authority.issue({ subject: "/CN=renewed", names: ["IP:127.0.0.1"], key: "rsa" });
    port.listener.renewTls(renewed);
    expect(await subjectOf(port)).toBe("renewed");
    before.end("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    expect(await text(before)).toContain("hello");
    for (const get of [getHttp1, getHttp2]) expect(await get(port.url, { ca: authority.cert })).toBe("hello");
  });

  it("of authorities end the trust in clients of old ones, also for resumed sessions", async () => {
    await using next = await makeAuthority("next");
    await using port = await listen({ ...server, clientCa: authority.cert });
    const [old, current] = await Promise.all([authority.issue(), next.issue()]);
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      port.listener.renewTls({ ...server, clientCa: authority.cert });
      const options: ConnectionOptions = { ca: authority.cert, maxVersion: version, ...old };
      const session = await sessionOf(port.url, options);
      expect(await resumes(port.url, { ...options, session })).toBe(true);
      port.listener.renewTls({ ...server, clientCa: next.cert });
      await expect(getHttp1(port.url, options)).rejects.toThrow();
      await expect(getHttp1(port.url, { ...options, session })).rejects.toThrow();
      expect(await getHttp1(port.url, { ca: authority.cert, maxVersion: version, ...current })).toBe("hello");
    }
  });

  /** The session of a connection, with which a later connection can leave out the handshake. */
  async function sessionOf(url: string, options: ConnectionOptions): Promise<Buffer> {
    const { hostname, port } = new URL(url);
    const socket = connectTls({ host: hostname, port: Number(port), ...options });
    const [session] = await once(socket, "session");
    socket.destroy();
    return session;
  }

  async function resumes(url: string, options: ConnectionOptions): Promise<boolean> {
    const socket = await openTls(url, options);
    const reused = socket.isSessionReused();
    socket.destroy();
    return reused;
  }
});
