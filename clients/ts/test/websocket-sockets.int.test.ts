import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { Code, type ConnectError } from "@connectrpc/connect";
import { encodeFrame, FrameKind } from "@streamkit/protocol/transport";
import { expect, test } from "vitest";
import { WebSocket as WsSocket } from "ws";
import { flakyProxy } from "../../../conformance/src/lab/flaky-proxy.ts";
import { createStreamkitClient } from "../src/index.ts";
import { createWebSocketTransport, type WebSocketTransportOptions } from "../src/websocket.ts";
import { bytesMethod } from "./bytes-methods.ts";
import { silentPath } from "./misbehaving-server.ts";
import { echo, type PeerCall, type PeerSocket, socketPeer } from "./socket-peer.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const ONE = Uint8Array.of(1);

function calling(baseUrl: string, options: Omit<WebSocketTransportOptions, "baseUrl"> = {}) {
  const transport = createWebSocketTransport({ ...options, baseUrl });
  const call = async (value = ONE) =>
    (await transport.unary(bytesMethod.unary, undefined, undefined, undefined, { value })).message.value;
  return { transport, call, [Symbol.dispose]: () => transport.close() };
}

function failure(promise: Promise<unknown>): Promise<ConnectError> {
  return promise.then(
    () => expect.fail("the call succeeded"),
    (error) => error,
  );
}

/** Answers no call until it is told to. */
function holding() {
  const held: PeerCall[] = [];
  return { held, answer: (call: PeerCall) => void held.push(call) };
}

test("a socket that breaks fails its calls, and the next call has another", async () => {
  const { held, answer } = holding();
  await using peer = await socketPeer((call) => (peer.sockets.length === 1 ? answer(call) : echo(call)));
  await using proxy = await flakyProxy(peer.port);
  using at = calling(proxy.url);
  const calls = Promise.all([failure(at.call()), failure(at.call())]);
  await expect.poll(() => held.length).toBe(2);
  proxy.cut();
  for (const error of await calls) expect(error).toMatchObject({ code: Code.Unavailable });
  expect(await at.call()).toEqual(ONE);
  expect(peer.sockets).toHaveLength(2);
});

test("messages that arrived before a socket broke are read before its error", async () => {
  await using peer = await socketPeer((call) => {
    for (let i = 0; i < 3; i++) call.send(Uint8Array.of(10, 1, i));
    call.socket.below.close(1001);
  });
  using at = calling(peer.url);
  const input = (async function* () {
    yield { value: ONE };
  })();
  const { transport } = at;
  const stream = await transport.stream(bytesMethod.serverStreaming, undefined, undefined, undefined, input);
  await peer.sockets[0].closed;
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { value } of stream.message) seen.push(value[0]);
  })();
  expect(await failure(reading)).toMatchObject({ code: Code.Unavailable, rawMessage: "the server shuts down" });
  expect(seen).toEqual([0, 1, 2]);
});

test("GOAWAY: open calls end on their socket, new ones have another, and the old one is closed", async () => {
  const { held, answer } = holding();
  await using peer = await socketPeer((call) => (call.socket.calls.length === 1 ? answer(call) : echo(call)));
  using at = calling(peer.url);
  const first = at.call();
  await expect.poll(() => held.length).toBe(1);
  await at.call();
  peer.sockets[0].goAway();
  // Its answer comes behind the frame.
  await echo(held[0]);
  expect(await first).toEqual(ONE);
  expect(await peer.sockets[0].closed).toBe(1000);
  const second = at.call();
  await expect.poll(() => held.length).toBe(2);
  await at.call();
  peer.sockets[1].goAway();
  await at.call();
  const later = at.call();
  await expect.poll(() => peer.sockets.length).toBe(3);
  await expect.poll(() => held.length).toBe(3);
  await Promise.all([echo(held[1]), echo(held[2])]);
  await Promise.all([second, later]);
  expect(await peer.sockets[1].closed).toBe(1000);
});

test("RESET of the server ends one call", async () => {
  const { held, answer } = holding();
  await using peer = await socketPeer((call) => (call.id === 1 ? answer(call) : echo(call)));
  using at = calling(peer.url);
  const call = failure(at.call());
  await expect.poll(() => held.length).toBe(1);
  held[0].resetByPeer("too slow");
  expect(await call).toMatchObject({ code: Code.Unavailable, rawMessage: "too slow" });
  await at.call();
  expect(peer.sockets).toHaveLength(1);
});

const frame = (kind: FrameKind, call: number, ...payload: number[]) =>
  encodeFrame(kind, call, Uint8Array.from(payload));
const GARBAGE: [string, Uint8Array | string][] = [
  ["text", "hello"],
  ["no frame", new Uint8Array()],
  ["half a header", Uint8Array.of(3, 0, 0)],
  ["an unknown kind", Uint8Array.of(99, 0, 0, 0, 1, 0, 0, 0, 0)],
  ["a frame that is cut off", Uint8Array.of(3, 0, 0, 0, 1, 0, 0, 0, 9, 1)],
  ["a request of the server", frame(FrameKind.REQUEST, 1)],
  ["settings of the server", frame(FrameKind.SETTINGS, 0)],
  ["the end of a request", frame(FrameKind.HALF_CLOSE, 1)],
  ["a message of a call that never was", frame(FrameKind.MESSAGE, 7, 1)],
  ["a message of the socket", frame(FrameKind.MESSAGE, 0, 1)],
  ["a ping of a call", frame(FrameKind.PING, 1)],
  ["a ping that is too long", encodeFrame(FrameKind.PING, 0, new Uint8Array(126))],
  ["a result that is no protobuf", frame(FrameKind.RESULT, 1, 0xff)],
  ["a result whose message is cut off", frame(FrameKind.RESULT, 1, 0x0a, 9, 1)],
  ["headers that are no protobuf", frame(FrameKind.RESPONSE, 1, 0xff)],
  ["a reset that is no protobuf", frame(FrameKind.RESET, 1, 0xff)],
  ["a goaway that is no protobuf", frame(FrameKind.GOAWAY, 0, 0xff)],
  ["a part without its beginning", frame(FrameKind.NEXT, 1, 1)],
  ["a message that is too large", frame(FrameKind.FIRST, 1, 0x7f, 0xff, 0xff, 0xff, 1)],
  ["credit without bytes", frame(FrameKind.CREDIT, 1)],
  ["credit of nothing", frame(FrameKind.CREDIT, 1, 0, 0, 0, 0)],
  ["credit beyond its limit", frame(FrameKind.CREDIT, 0, 0x7f, 0xff, 0xff, 0xff)],
];

test.each(GARBAGE)("%s from the server closes the socket, and the next call has another", async (_, bytes) => {
  await using peer = await socketPeer((call) => (peer.sockets.length === 1 ? call.socket.raw(bytes) : echo(call)));
  using at = calling(peer.url);
  const error = await failure(at.call());
  expect(error.code).toBe(Code.Unavailable);
  const code = await peer.sockets[0].closed;
  expect([4400, 4413]).toContain(code);
  expect(error.rawMessage).toContain(`the socket was closed (${code}: `);
  expect(await at.call()).toEqual(ONE);
});

test("more than the credit allows closes the socket", async () => {
  const large = encodeFrame(FrameKind.MESSAGE, 1, new Uint8Array(65_536));
  await using peer = await socketPeer((call) => {
    for (let i = 0; i < 6; i++) call.socket.raw(large);
  });
  using at = calling(peer.url);
  const input = (async function* () {
    yield { value: ONE };
  })();
  await at.transport.stream(bytesMethod.serverStreaming, undefined, undefined, undefined, input);
  expect(await peer.sockets[0].closed).toBe(4413);
});

test("frames of calls that are over are passed over, and give their credit back", async () => {
  await using peer = await socketPeer((call) => {
    if (call.id > 1) return echo(call);
    call.result({ message: Uint8Array.of(10, 1, 1) });
    for (let i = 0; i < 3; i++) call.socket.raw(frame(FrameKind.MESSAGE, 1, 1));
    call.socket.raw(frame(FrameKind.RESULT, 1, 0x0a, 1, 1));
    call.socket.raw(frame(FrameKind.RESET, 1));
    return call.socket.raw(frame(FrameKind.CREDIT, 1, 0, 0, 0, 1));
  });
  using at = calling(peer.url);
  await at.call();
  for (let i = 0; i < 3; i++) expect(await at.call()).toEqual(ONE);
  expect(peer.sockets).toHaveLength(1);
});

test("a socket that falls silent while calls wait is asked, and given up", async () => {
  await using peer = await socketPeer(
    (call) => (peer.sockets.length > 1 ? echo(call) : undefined),
    (socket) => (socket.isDeaf = peer.sockets.length === 1),
  );
  using at = calling(peer.url, { pingIntervalMillis: 30, pingTimeoutMillis: 30 });
  const error = await failure(at.call());
  expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: "the connection does not answer" });
  expect(await peer.sockets[0].closed).toBe(4408);
  expect(await at.call()).toEqual(ONE);
});

test("a socket that answers is asked again and again while calls wait, and left alone while none does", async () => {
  const { held, answer } = holding();
  await using peer = await socketPeer(answer);
  using at = calling(peer.url, { pingIntervalMillis: 10, pingTimeoutMillis: 10_000 });
  const call = at.call();
  const pings = () => peer.sockets[0]?.frames.filter((kind) => kind === FrameKind.PING).length ?? 0;
  await expect.poll(pings).toBeGreaterThan(3);
  await echo(held[0]);
  await call;
  const settled = pings();
  // As many times as it was asked before.
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 15));
  expect(pings()).toBeLessThanOrEqual(settled + 1);
});

test("a socket that was silent for long is asked with the next call", async () => {
  let socket: PeerSocket | undefined;
  await using peer = await socketPeer(echo, (one) => {
    socket = one;
  });
  using at = calling(peer.url, { pingIntervalMillis: 30, pingTimeoutMillis: 30 });
  await at.call();
  (socket as PeerSocket).isDeaf = true;
  await new Promise((resolve) => setTimeout(resolve, 70));
  const error = await failure(at.call());
  expect(error.rawMessage).toBe("the connection does not answer");
  await at.call();
});

test("the server may ask, too", async () => {
  await using peer = await socketPeer(echo);
  using at = calling(peer.url);
  await at.call();
  peer.sockets[0].raw(frame(FrameKind.PING, 0, 1, 2));
  await expect.poll(() => peer.sockets[0].frames).toContain(FrameKind.PONG);
});

test("an upgrade without an answer is an outage, also if the server answers over HTTP", async () => {
  await using peer = await socketPeer(echo);
  peer.isSilent = true;
  using at = calling(peer.url, { openTimeoutMillis: 200 });
  const client = createStreamkitClient({ transport: at.transport, retry: { maxAttempts: 2 } });
  const outage = await failure(client.store(STORE).space("s").segment("a").status());
  expect(outage).toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
  peer.isSilent = false;
  using patient = calling(peer.url);
  expect(await patient.call()).toEqual(ONE);
});

test("a refused upgrade fails the call with the address and what to check", async () => {
  await using peer = await socketPeer(echo);
  peer.refusal = 403;
  using at = calling(peer.url);
  const error = await failure(at.call());
  expect(error.code).toBe(Code.Unavailable);
  const url = `${peer.url.replace("http", "ws")}/streamkit.v1/socket`;
  expect(error.rawMessage).toBe(
    `no WebSocket to ${url}: the server is not there, or it or a proxy on the way refuses WebSockets`,
  );
  const client = createStreamkitClient({ transport: at.transport, retry: { maxAttempts: 5 } });
  const mistake = await failure(client.store(STORE).space("s").segment("a").status());
  expect(mistake).toMatchObject({ reason: "MISCONFIGURED", retryable: false });
  expect(mistake.message).toContain(`opens no WebSocket at ${url} (HTTP 403: not a page)`);
  expect(mistake.message).toContain("pass the headers Upgrade and Connection on");
});

test("a server that refuses once is no mistake", async () => {
  await using peer = await socketPeer((call) => call.result({ message: new Uint8Array() }));
  peer.refusal = 403;
  peer.refusals = 1;
  const retries: unknown[] = [];
  using at = calling(peer.url);
  const client = createStreamkitClient({
    transport: at.transport,
    retry: { initialDelayMillis: 0 },
    onRetry: ({ error }) => retries.push(error),
  });
  await client.store(STORE).space("s").segment("a").delete();
  expect(retries).toMatchObject([{ reason: "CONNECTION_LOST", retryable: true }]);
});

test("a path that carries nothing, and a server that answers no upgrade, fail calls in time", async () => {
  await using path = await silentPath();
  await using peer = await socketPeer(echo);
  peer.isSilent = true;
  for (const { url } of [path, peer]) {
    using at = calling(url, { openTimeoutMillis: 40 });
    expect((await failure(at.call())).rawMessage).toContain("it did not open within 40 ms");
  }
});

test("nobody, and a server of another protocol, fail calls as outages", async () => {
  const server = createServer((socket) => socket.on("error", () => {}).write("SSH-2.0-x\r\n", () => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  using other = calling(`http://127.0.0.1:${port}`);
  expect(await failure(other.call())).toMatchObject({ code: Code.Unavailable });
  await new Promise((resolve) => server.close(resolve));
  using nobody = calling(`http://127.0.0.1:${port}`);
  expect(await failure(nobody.call())).toMatchObject({ code: Code.Unavailable });
});

test("close ends open calls and refuses later ones, also while the socket opens", async () => {
  const { held, answer } = holding();
  await using peer = await socketPeer(answer);
  const at = calling(peer.url);
  const open = failure(at.call());
  await expect.poll(() => held.length).toBe(1);
  at.transport.close();
  expect(await open).toMatchObject({ reason: "CANCELED" });
  expect(await failure(at.call())).toMatchObject({ reason: "CANCELED", message: "the transport was closed" });
  expect(await peer.sockets[0].closed).toBe(1000);
  peer.isSilent = true;
  const early = calling(peer.url);
  const waiting = failure(early.call());
  await expect.poll(() => peer.upgrades.length).toBe(2);
  early.transport[Symbol.dispose]();
  expect(await waiting).toMatchObject({ reason: "CANCELED" });
  const { transport } = calling(peer.url);
  transport.close();
  const client = createStreamkitClient({ transport });
  const following = client.store(STORE).space("s").segment("a").follow()[Symbol.asyncIterator]().next();
  expect(await failure(following)).toMatchObject({ reason: "CANCELED" });
});

test("headers that cannot be had fail the calls, and are asked for again", async () => {
  let asked = 0;
  await using peer = await socketPeer(echo);
  using at = calling(peer.url, {
    headers: () => {
      asked += 1;
      if (asked === 1) throw new Error("no headers today");
      return { "x-asked": String(asked) };
    },
  });
  expect((await failure(at.call())).message).toBe("no headers today");
  await at.call();
  expect(peer.sockets[0].calls[0].headers.get("x-asked")).toBe("2");
});

test("a WebSocket of the application is used in place of the platform's", async () => {
  await using peer = await socketPeer(echo);
  const opened: string[] = [];
  using at = calling(peer.url, {
    webSocket: (url, protocol) => {
      opened.push(url);
      return new WsSocket(url, protocol);
    },
  });
  const large = new Uint8Array(1_000_000).fill(3);
  expect(Buffer.compare(await at.call(large), large)).toBe(0);
  expect(opened).toHaveLength(1);
});

test("many failures in a row leave pauses between them", async () => {
  await using peer = await socketPeer(echo);
  peer.refusal = 503;
  using at = calling(peer.url);
  const begin = performance.now();
  for (let i = 0; i < 6; i++) await failure(at.call());
  // 50, 100, 200, 400 and 800 ms at most, a random part of each.
  expect(peer.upgrades).toHaveLength(6);
  expect(performance.now() - begin).toBeGreaterThan(20);
  peer.refusal = undefined;
  await at.call();
});

test("in Node.js an idle socket keeps no process alive, and one with calls does", async () => {
  await using peer = await socketPeer(async (call) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await echo(call);
  });
  const program = `
    import { createWebSocketTransport } from "@streamkit/client/websocket";
    import { bytesMethod } from ${JSON.stringify(new URL("bytes-methods.ts", import.meta.url).href)};
    const { unary } = createWebSocketTransport({ baseUrl: ${JSON.stringify(peer.url)}, pingIntervalMillis: 20 });
    for (let i = 0; i < 2; i++) {
      const { message } = await unary(bytesMethod.unary, undefined, 60_000, undefined, { value: Uint8Array.of(i) });
      console.log(message.value[0]);
    }
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@streamkit/source", "--input-type=module-typescript", "--eval", program],
    { cwd: new URL(".", import.meta.url), timeout: 25_000 },
  );
  expect(stdout.split("\n").slice(0, 2)).toEqual(["0", "1"]);
});
