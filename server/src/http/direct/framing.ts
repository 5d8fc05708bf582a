import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { maxRequestBytes } from "../../routes/request-limits.ts";
import type { Format } from "./format.ts";

/** The protocol, format, limit and deadline of a request that is answered directly. */
export interface Framing {
  readonly protocol: "connect" | "grpc";
  readonly format: Format;
  /** Largest message, in bytes. */
  readonly limit: number;
  /** Time left until the caller's deadline, in milliseconds; undefined without a deadline. */
  readonly timeoutMillis: number | undefined;
}

const CONNECT_FORMATS: Readonly<Record<string, Format>> = { "application/proto": "binary", "application/json": "json" };
const GRPC_UNITS: Readonly<Record<string, number>> = { S: 1_000, m: 1 };

/**
 * Returns the framing of an uncompressed POST of Connect, binary or JSON, or of binary gRPC. Returns undefined for
 * every other request and for unusual headers: Connect's handlers answer those.
 */
export function framingOf(request: IncomingMessage | Http2ServerRequest, path: string): Framing | undefined {
  const { headers } = request;
  if (request.method !== "POST") return undefined;
  const limit = maxRequestBytes(path);
  const type = headers["content-type"] ?? "";
  const format = CONNECT_FORMATS[type];
  if (format !== undefined) {
    const timeout = headers["connect-timeout-ms"];
    if (headers["content-encoding"] !== undefined || !isPlain(headers["content-length"], limit)) return undefined;
    if (timeout !== undefined && !/^\d{1,9}$/.test(String(timeout))) return undefined;
    const timeoutMillis = timeout === undefined ? undefined : Number(timeout);
    return { protocol: "connect", format, limit, timeoutMillis };
  }
  if ((type === "application/grpc" || type === "application/grpc+proto") && "stream" in request) {
    if (headers["grpc-encoding"] !== undefined || headers["content-length"] !== undefined) return undefined;
    const timeout = headers["grpc-timeout"];
    if (timeout === undefined) return { protocol: "grpc", format: "binary", limit, timeoutMillis: undefined };
    const parts = /^(\d{1,6})([Sm])$/.exec(String(timeout));
    if (parts === null) return undefined;
    const timeoutMillis = Number(parts[1]) * GRPC_UNITS[parts[2]];
    return { protocol: "grpc", format: "binary", limit, timeoutMillis };
  }
  return undefined;
}

function isPlain(length: string | undefined, limit: number): boolean {
  return length === undefined || (/^\d{1,9}$/.test(length) && Number(length) <= limit);
}
