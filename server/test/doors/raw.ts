/** Clients for tests of the server's doors. They use sockets and bytes, and share no code with the server. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";

/**
 * Sends bytes on a new connection. Resolves with the answer once the server closes the connection, or the answer
 * matches `until`.
 */
export async function exchange(url: string, bytes: string | Uint8Array, until?: RegExp): Promise<string> {
  const socket = await open(url);
  let text = "";
  socket.setEncoding("latin1");
  socket.on("error", () => undefined);
  const done = new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    socket.on("data", (part: string) => {
      text += part;
      if (until?.test(text)) resolve();
    });
  });
  socket.write(bytes);
  await done;
  socket.destroy();
  return text;
}

/** A connection that has sent nothing. */
export async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  await once(socket, "connect");
  return socket;
}

/**
 * Opens an HTTP/2 connection with large windows. It raises the memory limit of Node's client, which otherwise resets
 * calls while much data waits to be sent.
 */
export async function http2(url: string): Promise<ClientHttp2Session> {
  const session = connectHttp2(url, { settings: { initialWindowSize: 4 * 1024 * 1024 }, maxSessionMemory: 4_096 });
  session.on("error", () => undefined);
  await once(session, "connect");
  session.setLocalWindowSize(64 * 1024 * 1024);
  return session;
}

/** The outcome of an HTTP/2 call. */
export interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** The code of RST_STREAM; 0 without one. */
  readonly reset: number;
}

/** Starts an HTTP/2 call. */
export function begin(session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/json",
    ...headers,
  });
  stream.on("error", () => undefined);
  return stream;
}

/** Waits for the end of an HTTP/2 call. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let status: number | undefined;
  let trailers: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  stream.on("response", (headers) => {
    status = headers[":status"];
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  // A server may end a call whose request is still being sent. Node then keeps the stream for the unsent part.
  await new Promise<void>((resolve) => {
    if (stream.destroyed) resolve();
    for (const event of ["close", "aborted"]) stream.once(event, () => resolve());
  });
  stream.destroy();
  return { status, body: Buffer.concat(parts).toString("latin1"), trailers, reset: stream.rstCode };
}

/** A complete HTTP/2 call. */
export async function callHttp2(
  session: ClientHttp2Session,
  path: string,
  body: string | Uint8Array,
  headers?: OutgoingHttpHeaders,
): Promise<Answer> {
  const stream = begin(session, path, headers);
  const answer = answerOf(stream);
  stream.end(body);
  return answer;
}

/** True if the server answers a simple call over HTTP/1.1. */
export async function isServing(url: string): Promise<boolean> {
  const response = await fetch(`${url}/streamkit.v1.StoreService/GetServerInfo`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
    signal: AbortSignal.timeout(60_000),
  });
  return response.status === 200 && "version" in ((await response.json()) as object);
}

/** An enveloped message of Connect's and gRPC's streams. */
export function envelope(message: string | Uint8Array, flags = 0): Buffer {
  const bytes = Buffer.from(message as string);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Resident memory of a process, in bytes. */
export async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
