import { connect as connectTcp, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectionLost, misconfigured, type StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";

/** The versions of HTTP that the client speaks. */
export type HttpVersion = "1.1" | "2";

/** Preface of HTTP/2 and an empty SETTINGS frame, the first bytes of every client of HTTP/2. */
const HTTP2_HELLO = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
/** Number of bytes that identify an answer: the head of a frame. */
const ENOUGH_BYTES = 9;
const SETTINGS_FRAME = 4;
const TLS_ALERT = 0x15;
/** Time for the server to end its side of a connection that the client leaves, in milliseconds. */
const LEAVE_MILLIS = 1_000;

/**
 * Finds out the HTTP version of a server, over a connection of its own: with TLS by ALPN, without TLS by the answer to
 * the preface of HTTP/2.
 *
 * @param options options of TLS and sockets, as the transport got them
 * @param millis longest wait for each answer, in milliseconds
 * @throws StreamkitError MISCONFIGURED if no call to this address can succeed; CONNECTION_LOST for an outage
 */
export async function findHttpVersion(url: URL, options: ConnectionOptions, millis: number): Promise<HttpVersion> {
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const target = { ...withoutRequest(options), host, port };
  return url.protocol === "https:" ? withTls(target, millis) : withoutTls(target, url, millis);
}

/** The options without those of requests. A connection would take `path` for a socket in the file system. */
function withoutRequest(options: ConnectionOptions & { agent?: unknown; headers?: unknown; timeout?: unknown }) {
  const { path: _path, agent: _agent, headers: _headers, timeout: _timeout, ...rest } = options;
  return rest;
}

type Target = ConnectionOptions & { readonly host: string; readonly port: number };

async function withTls(target: Target, millis: number): Promise<HttpVersion> {
  try {
    return (await negotiate(target, ["h2", "http/1.1"], millis)) === "h2" ? "2" : "1.1";
  } catch (thrown) {
    const error = toError(thrown);
    if (codeOf(thrown) === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL") {
      await negotiate(target, [], millis).catch((again) => {
        throw toError(again);
      });
      return "1.1";
    }
    // Some servers close a connection after first bytes that they do not understand.
    if (codeOf(thrown) === "ECONNRESET" && (await answer(target, http1Hello(target), millis)).length > 0) {
      throw misconfigured("the server does not speak TLS on this port: use an address with http://", error.cause);
    }
    throw error;
  }
}

async function withoutTls(target: Target, url: URL, millis: number): Promise<HttpVersion> {
  const bytes = await answer(target, HTTP2_HELLO, millis);
  if (bytes[3] === SETTINGS_FRAME && bytes.length >= ENOUGH_BYTES) return "2";
  if (isHttp1(bytes)) return "1.1";
  if (bytes[0] === TLS_ALERT) throw speaksTls(url);
  if (bytes.length > 0) {
    const start = JSON.stringify(bytes.toString("latin1").split(/[\r\n]/, 1)[0]);
    throw misconfigured(
      `the server does not speak HTTP on this port: its answer starts with ${start}. Check host and port`,
    );
  }
  // The server closed the connection. A server of HTTP/1.1 may do so after the unknown method of the preface.
  if (isHttp1(await answer(target, http1Hello(target), millis))) return "1.1";
  const overTls = await negotiate({ ...target, rejectUnauthorized: false }, [], millis).catch(() => undefined);
  if (overTls !== undefined) throw speaksTls(url);
  throw connectionLost("the server accepts connections and closes them without an answer");
}

function speaksTls(url: URL): StreamkitError {
  const better = url.origin.replace(/^http:/, "https:");
  return misconfigured(`the server speaks TLS on this port: use an address with https://, such as ${better}`);
}

function isHttp1(bytes: Buffer): boolean {
  return bytes.toString("latin1", 0, 7) === "HTTP/1.";
}

function http1Hello({ host, port }: Target): string {
  const authority = isIP(host) === 6 ? `[${host}]` : host;
  return `HEAD / HTTP/1.1\r\nHost: ${authority}:${port}\r\nConnection: close\r\n\r\n`;
}

/**
 * The first bytes of the server's answer; empty if the server closes the connection without an answer. Rejects if no
 * server accepts the connection.
 */
async function answer(target: Target, hello: string | Buffer, millis: number): Promise<Buffer> {
  const { host, port, lookup } = target;
  const socket = connectTcp({ host, port, ...(lookup === undefined ? {} : { lookup }) });
  let connected = false;
  const chunks: Buffer[] = [];
  try {
    return await within(socket, millis, (resolve, reject) => {
      socket.once("connect", () => {
        connected = true;
        socket.write(hello);
      });
      socket.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        if (bytes.length >= ENOUGH_BYTES) resolve(bytes);
      });
      socket.on("error", (error) => (connected ? resolve(Buffer.concat(chunks)) : reject(error)));
      socket.on("close", () => resolve(Buffer.concat(chunks)));
    });
  } catch (thrown) {
    throw toError(thrown);
  }
}

/** Makes a TLS handshake. Resolves with the agreed protocol, or false. Rejects with the error of Node.js. */
function negotiate(target: Target, protocols: string[], millis: number): Promise<string | false> {
  const servername = target.servername ?? (isIP(target.host) === 0 ? target.host : "");
  const socket = connectTls({ ...target, servername, ...(protocols.length > 0 && { ALPNProtocols: protocols }) });
  return within(socket, millis, (resolve, reject) => {
    socket.once("secureConnect", () => resolve(socket.alpnProtocol ?? false));
    socket.on("error", reject);
    socket.on("close", () => reject(connectionLost("the connection was closed during the TLS handshake")));
  });
}

/** Waits for a result from a socket, then closes the socket. */
function within<T, S extends Socket>(
  socket: S,
  millis: number,
  start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const silent = `the server did not accept a connection, or sent nothing, within ${millis} ms`;
  const timer = setTimeout(() => reject(connectionLost(silent)), millis);
  start(resolve, reject);
  return promise.finally(() => {
    clearTimeout(timer);
    leave(socket);
  });
}

/** Ends a connection without a reset, since servers report resets as failures. */
function leave(socket: Socket): void {
  socket
    .removeAllListeners("error")
    .on("error", () => {})
    .resume();
  socket.end();
  setTimeout(() => socket.destroy(), LEAVE_MILLIS).unref();
  socket.unref();
}

function codeOf(thrown: unknown): unknown {
  return (thrown as { code?: unknown }).code;
}

function toError(thrown: unknown): StreamkitError {
  if (!(thrown instanceof Error) || codeOf(thrown) === undefined || "reason" in thrown) return toStreamkitError(thrown);
  return toStreamkitError(new ConnectError(thrown.message, Code.Unavailable, undefined, undefined, thrown));
}
