/** A client of the protocols that shares only the messages with the server, for requests that no library would send. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";

export const PROTOCOLS = ["connect", "grpc", "grpc-web"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The answer to a request. */
export interface RawResult {
  readonly messages: Uint8Array[];
  /** The status: "ok", or Connect's name for the code. */
  readonly code: string;
  readonly reason: keyof typeof ErrorReason | undefined;
  /** The fields that the detail names. */
  readonly fields: string[];
  readonly retryable: boolean | undefined;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

const CODES = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

export function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The content type of a protocol and format. */
export function contentType(protocol: Protocol, format: "proto" | "json", kind: "unary" | "stream"): string {
  if (protocol !== "connect") return `application/${protocol}+${format}`;
  return `application/${kind === "stream" ? "connect+" : ""}${format}`;
}

/** Sends requests over HTTP/2, each on a connection of its own, so that no request can affect a later one. */
export class RawClient {
  readonly #url: string;
  readonly #sessions = new Set<ClientHttp2Session>();

  constructor(url: string) {
    this.#url = url;
  }

  /** Opens a request. The caller writes and ends the body. */
  open(path: string, type: string, headers: Record<string, string> = {}): ClientHttp2Stream {
    const session = connect(this.#url);
    session.on("error", () => undefined);
    this.#sessions.add(session);
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": type, ...headers });
    stream.on("error", () => undefined);
    stream.once("close", () => {
      this.#sessions.delete(session);
      session.destroy();
    });
    return stream;
  }

  /** Sends a body unchanged, and reads the answer. */
  async send(path: string, type: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<RawResult> {
    const stream = this.open(path, type, headers);
    stream.end(body);
    return await answerOf(stream, type);
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions) session.destroy();
  }
}

/** Reads a stream to its end. */
export async function answerOf(stream: ClientHttp2Stream, type: string): Promise<RawResult> {
  const chunks: Buffer[] = [];
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream.on("response", (found) => {
    headers = found;
  });
  stream.on("trailers", (found) => {
    trailers = found;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  // The server resets a stream without an error if it needs no more of the request. Such a stream does not close by
  // itself.
  await Promise.race([once(stream, "end"), once(stream, "close")]);
  stream.destroy();
  const body = Buffer.concat(chunks);
  if (type.startsWith("application/connect+")) return connectStream(body, headers);
  if (type.startsWith("application/grpc-web")) return grpcWeb(body, headers);
  if (type.startsWith("application/grpc")) {
    return {
      ...grpcStatus({ ...headers, ...trailers }),
      messages: messagesOf(body).map(({ bytes }) => bytes),
      headers,
    };
  }
  if (headers[":status"] === 200) return { ...nothing, code: "ok", messages: [body], headers };
  return { ...connectError(body.toString()), messages: [], headers };
}

const nothing = { reason: undefined, fields: [], retryable: undefined, text: "" };

function connectStream(body: Buffer, headers: Record<string, unknown>): RawResult {
  const parts = messagesOf(body);
  const end = parts.find(({ flags }) => (flags & 2) !== 0);
  const messages = parts.filter(({ flags }) => (flags & 2) === 0).map(({ bytes }) => bytes);
  if (end === undefined) return { ...nothing, code: "cut off", messages, headers };
  const { error } = JSON.parse(end.bytes.toString());
  if (error === undefined) return { ...nothing, code: "ok", messages, headers };
  return { ...connectError(JSON.stringify(error)), messages, headers };
}

function grpcWeb(body: Buffer, headers: Record<string, unknown>): RawResult {
  const parts = messagesOf(body);
  const trailer = parts.find(({ flags }) => (flags & 0x80) !== 0);
  const messages = parts.filter(({ flags }) => (flags & 0x80) === 0).map(({ bytes }) => bytes);
  const lines = (trailer?.bytes.toString() ?? "").split("\r\n").filter((line) => line !== "");
  const found = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
  return { ...grpcStatus({ ...headers, ...Object.fromEntries(found) }), messages, headers };
}

function grpcStatus(values: Record<string, unknown>) {
  const status = values["grpc-status"];
  const code = status === undefined ? "cut off" : (CODES[Number(status)] ?? String(status));
  const details = values["grpc-status-details-bin"];
  const text = decodeURIComponent(String(values["grpc-message"] ?? ""));
  if (typeof details !== "string") return { ...nothing, code, text };
  // google.rpc.Status: details are field 3, each an Any with its value in field 2.
  const any = fieldOf(Buffer.from(details, "base64"), 3);
  const detail = any && fieldOf(any, 2);
  return { ...(detail ? detailOf(detail) : nothing), code, text };
}

function connectError(json: string) {
  let parsed: { code?: string; message?: string; details?: { value: string }[] };
  try {
    parsed = JSON.parse(json);
  } catch {
    return { ...nothing, code: `no error: ${json.slice(0, 100)}` };
  }
  const { code = "none", message = "", details = [] } = parsed;
  const detail = details[0] === undefined ? nothing : detailOf(Buffer.from(details[0].value, "base64"));
  return { ...detail, code, text: message };
}

function detailOf(bytes: Uint8Array) {
  const { reason, retryable, fieldViolations } = fromBinary(ErrorDetailSchema, bytes);
  return {
    reason: ErrorReason[reason] as keyof typeof ErrorReason,
    retryable,
    fields: fieldViolations.map(({ field }) => field),
    text: "",
  };
}

/** The first length-delimited field with this number, in a message of varint and length-delimited fields. */
function fieldOf(bytes: Buffer, number: number): Buffer | undefined {
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++];
    let value = 0;
    let shift = 0;
    for (let more = true; more; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 0x7f) << shift;
      more = byte >= 0x80;
    }
    if ((tag & 7) !== 2) continue;
    if (tag >> 3 === number) return bytes.subarray(at, at + value);
    at += value;
  }
  return undefined;
}

function messagesOf(body: Buffer): { flags: number; bytes: Buffer }[] {
  const found: { flags: number; bytes: Buffer }[] = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const length = body.readUInt32BE(at + 1);
    found.push({ flags: body[at], bytes: body.subarray(at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return found;
}
