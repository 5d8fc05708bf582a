import { connect } from "node:net";
import type { JsonValue } from "@bufbuild/protobuf";

/** The answer on a raw socket. */
export interface RawAnswer {
  /** HTTP status; 0 if the bytes are not an HTTP answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** True if the server closed the connection. */
  readonly closed: boolean;
}

/** Returns the bytes of a request with a content length, and `connection: close` unless `headers` has another one. */
export function httpRequest(
  method: string,
  path: string,
  host: string,
  headers: Record<string, string>,
  body: Uint8Array,
): Uint8Array {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${host}`];
  if (!("connection" in headers)) lines.push("connection: close");
  if (!("content-length" in headers) && method !== "GET") lines.push(`content-length: ${body.length}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]);
}

/** Sends bytes over a new socket. Reads until the server closes the connection or `millis` milliseconds have passed. */
export function exchange(url: string, bytes: Uint8Array, millis: number): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ...parseAnswer(Buffer.concat(chunks)), closed });
    };
    const timer = setTimeout(() => finish(false), millis);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => finish(true));
    socket.on("end", () => finish(true));
    socket.on("close", () => finish(true));
  });
}

function parseAnswer(bytes: Buffer): Omit<RawAnswer, "closed"> {
  const end = bytes.indexOf("\r\n\r\n");
  const head = bytes.subarray(0, Math.max(end, 0)).toString("latin1").split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head[0] ?? "")?.[1] ?? 0);
  if (status === 0) return { status, headers: {}, body: bytes };
  const headers = Object.fromEntries(
    head.slice(1).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const rest = bytes.subarray(end + 4);
  return { status, headers, body: headers["transfer-encoding"] === "chunked" ? joinChunks(rest) : rest };
}

function joinChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line === -1) break;
    const length = Number.parseInt(bytes.subarray(at, line).toString("latin1"), 16);
    if (!(length > 0)) break;
    chunks.push(bytes.subarray(line + 2, line + 2 + length));
    at = line + 2 + length + 2;
  }
  return Buffer.concat(chunks);
}

/** Returns the body as JSON; undefined if it is not JSON. */
export function bodyJson(answer: RawAnswer): JsonValue | undefined {
  try {
    return JSON.parse(answer.body.toString()) as JsonValue;
  } catch {
    return undefined;
  }
}
