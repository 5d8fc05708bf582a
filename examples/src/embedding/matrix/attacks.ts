import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Target } from "./clients.ts";

/** A server's reaction: the status of its answer, or "closed" for a connection that it closed without an answer. */
export type Outcome = number | "closed";

const PATH = "/streamkit.v1.StoreService/GetServerInfo";
const INFO = `content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
const APPEND = "/streamkit.v1.StreamService/Append";
const CONSUME = "/streamkit.v1.StreamService/ConsumeSpace";

/** Hosts that no URL can have. */
export const HOSTS = [
  "[",
  "",
  "x:99999",
  "a b",
  "a/b",
  "user@host",
  "\u0001",
  "[::1",
  "%",
  ":",
  "::",
  "a".repeat(8_000),
];

/** HTTP/1.1 requests, byte by byte, that well-behaved clients do not send. */
export const HTTP1_REQUESTS: ReadonlyMap<string, string> = new Map([
  ...HOSTS.flatMap((host): [string, string][] => [
    [`Host ${JSON.stringify(host.slice(0, 10))}`, `POST ${PATH} HTTP/1.1\r\nHost: ${host}\r\n${INFO}`],
    [`Host ${JSON.stringify(host.slice(0, 10))} for a page`, `GET /hello HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
  ]),
  ["no Host", `POST ${PATH} HTTP/1.1\r\n${INFO}`],
  ["HTTP/1.0 without Host", `POST ${PATH} HTTP/1.0\r\n${INFO}`],
  ["HTTP/1.0 without Host for a page", "GET /hello HTTP/1.0\r\n\r\n"],
  ["two Hosts", `POST ${PATH} HTTP/1.1\r\nHost: a\r\nHost: b\r\n${INFO}`],
  ["a target with an invalid host", `POST http://[${PATH} HTTP/1.1\r\nHost: a\r\n${INFO}`],
  ["a target of two slashes", "GET // HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with a broken escape", `POST ${PATH}?%E0%A4%A HTTP/1.1\r\nHost: a\r\n${INFO}`],
  ["a path with a broken escape", "GET /%E0%A4%A HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\norigin: http://b\r\n\r\n"],
  ["CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an upgrade to h2c", `POST ${PATH} HTTP/1.1\r\nHost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n${INFO}`],
  ["an upgrade to a WebSocket", "GET /hello HTTP/1.1\r\nHost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"],
  ["an expectation", `POST ${PATH} HTTP/1.1\r\nHost: a\r\nexpect: magic\r\n${INFO}`],
  [
    "a broken chunk",
    `POST ${APPEND} HTTP/1.1\r\nHost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
  ],
  ["two lengths", `POST ${APPEND} HTTP/1.1\r\nHost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
  ["a negative length", `POST ${APPEND} HTTP/1.1\r\nHost: a\r\ncontent-length: -1\r\n\r\n`],
  [
    "a strange content type",
    `POST ${PATH} HTTP/1.1\r\nHost: a\r\ncontent-type: ;;;/\u00ff\r\ncontent-length: 2\r\n\r\n{}`,
  ],
  ["a strange timeout", `POST ${PATH} HTTP/1.1\r\nHost: a\r\nconnect-timeout-ms: -1e99\r\n${INFO}`],
  ["a strange origin", `POST ${PATH} HTTP/1.1\r\nHost: a\r\norigin: http://[\r\n${INFO}`],
  ["large headers", `POST ${PATH} HTTP/1.1\r\nHost: a\r\nx: ${"y".repeat(100_000)}\r\n${INFO}`],
  ["an unknown method", `BREW ${PATH} HTTP/1.1\r\nHost: a\r\n\r\n`],
  [
    "a stream without a body",
    `POST ${CONSUME} HTTP/1.1\r\nHost: a\r\ncontent-type: application/connect+proto\r\ncontent-length: 0\r\n\r\n`,
  ],
  [
    "gRPC over HTTP/1.1",
    `POST ${PATH} HTTP/1.1\r\nHost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n`,
  ],
]);

/** First bytes of requests whose clients leave at once. */
export const HTTP1_FRAGMENTS: readonly string[] = [
  "",
  "P",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\u0016\u0003\u0001\u0000\u00a5",
  `POST ${APPEND} HTTP/1.1\r\nHost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"storeId":`,
  `POST ${APPEND} HTTP/1.1\r\nHost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"s`,
  "GET /hello HTTP/1.1\r\nHost: a\r\nx",
];

function open({ baseUrl, tls }: Target): Socket {
  const { hostname, port } = new URL(baseUrl);
  const options = { host: hostname, port: Number(port) };
  const socket =
    tls === undefined ? connectTcp(options) : connectTls({ ...options, ca: tls.cert, ALPNProtocols: ["http/1.1"] });
  return socket.on("error", () => undefined);
}

/** Sends bytes, and waits for a status line or the end of the connection. */
export function sendHttp1(target: Target, request: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = open(target);
    let answer = "";
    const settle = (outcome: Outcome) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setEncoding("latin1").on("data", (text) => {
      answer += text;
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1];
      if (status !== undefined) settle(Number(status));
    });
    socket.once("close", () => settle("closed"));
    socket.write(Buffer.from(request, "latin1"));
  });
}

/** Sends bytes and leaves, in one of three ways. */
export function leave(target: Target, bytes: string, how: "end" | "destroy" | "resetAndDestroy"): Promise<void> {
  return new Promise((resolve) => {
    const socket = open(target);
    socket.once("close", () => resolve());
    socket.resume();
    socket.write(Buffer.from(bytes, "latin1"), () => {
      // A TLS socket cannot be reset.
      if (how === "resetAndDestroy" && target.tls !== undefined) socket.destroy();
      else socket[how]();
    });
  });
}

type H2Headers = Record<string, string>;

/** HTTP/2 requests that well-behaved clients do not send. */
export const HTTP2_REQUESTS: ReadonlyMap<string, H2Headers> = new Map([
  ...HOSTS.filter((host) => host !== "\u0001").flatMap((host): [string, H2Headers][] => [
    [`:authority ${JSON.stringify(host.slice(0, 10))}`, { ":authority": host }],
    [
      `:authority ${JSON.stringify(host.slice(0, 10))} for a page`,
      { ":authority": host, ":path": "/hello", ":method": "GET" },
    ],
    [`host ${JSON.stringify(host.slice(0, 10))}`, { ":authority": "", host }],
  ]),
  ["a path without a slash", { ":path": "hello" }],
  ["a path of two slashes", { ":path": "//" }],
  ["a path with a broken escape", { ":path": "/%E0%A4%A" }],
  ["an unknown scheme", { ":scheme": "ftp" }],
  ["OPTIONS *", { ":method": "OPTIONS", ":path": "*" }],
  ["a strange content type", { "content-type": ";;;/" }],
  ["a strange timeout", { "content-type": "application/grpc", "grpc-timeout": "99999999999999H" }],
]);

/** Sends one HTTP/2 request with the body `{}`, and waits for its status or its end. */
export function sendHttp2(target: Target, headers: H2Headers): Promise<Outcome> {
  return new Promise((resolve) => {
    const session = connectHttp2(target.baseUrl, target.tls ? { ca: target.tls.cert } : {});
    const settle = (outcome: Outcome) => {
      session.destroy();
      resolve(outcome);
    };
    session.on("error", () => settle("closed")).once("close", () => settle("closed"));
    const stream = session.request({
      ":method": "POST",
      ":path": PATH,
      "content-type": "application/json",
      ...headers,
    });
    stream.once("response", (answer) => settle(answer[":status"] as Outcome));
    stream.on("error", () => settle("closed")).once("close", () => settle("closed"));
    if (headers[":method"] !== "GET") stream.end("{}");
  });
}

/** Posts a body beyond every size limit, and resolves with the server's reaction. */
export function sendTooMuch(target: Target, megabytes: number): Promise<Outcome> {
  const length = megabytes * 1_048_576;
  const head = `POST ${APPEND} HTTP/1.1\r\nHost: a\r\ncontent-type: application/proto\r\ncontent-length: ${length}\r\n\r\n`;
  return sendHttp1(target, head + "\u0000".repeat(length));
}
