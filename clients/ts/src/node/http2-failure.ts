import { constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

/** Codes of Node.js for a connection or stream that is gone. */
const GONE = new Set(["ERR_STREAM_WRITE_AFTER_END", "ERR_STREAM_DESTROYED", "ERR_HTTP2_INVALID_STREAM", "ECONNRESET"]);
/** Codes of Node.js for a server that cannot be reached. */
const OUT_OF_REACH = new Set(["ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED"]);

/**
 * An error of Node.js as Connect's client for Node.js reports it. Connect keeps its own version to itself
 * (`connectErrorFromNodeReason`).
 */
export function ofNode(reason: unknown): ConnectError {
  const codes = codesOf(reason);
  const is = (known: ReadonlySet<unknown>) => codes.some((code) => known.has(code));
  const error = ConnectError.from(
    reason,
    is(GONE) ? Code.Aborted : is(OUT_OF_REACH) ? Code.Unavailable : Code.Internal,
  );
  if (error !== reason) error.cause = reason;
  return error;
}

/** The codes of an error and of its causes. */
function codesOf(reason: unknown): unknown[] {
  const seen = new Set<unknown>();
  const codes: unknown[] = [];
  for (let at = reason; at instanceof Error && !seen.has(at); at = at.cause) {
    seen.add(at);
    codes.push((at as { code?: unknown }).code);
  }
  return codes;
}

const INTERNAL = "PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT FRAME_SIZE_ERROR COMPRESSION_ERROR";
const CODES = new Map<number, readonly [name: string, code: Code]>(
  [
    ...`${INTERNAL} CONNECT_ERROR`.split(" ").map((name) => [name, Code.Internal] as const),
    ["REFUSED_STREAM", Code.Unavailable] as const,
    ["CANCEL", Code.Canceled] as const,
    ["ENHANCE_YOUR_CALM", Code.ResourceExhausted] as const,
    ["INADEQUATE_SECURITY", Code.PermissionDenied] as const,
    ["HTTP_1_1_REQUIRED", Code.PermissionDenied] as const,
  ].map((row) => [(constants as unknown as Record<string, number>)[`NGHTTP2_${row[0]}`] as number, row]),
);

/** The error of a stream that was reset, by the code of the reset; undefined for codes that mean none. */
export function ofReset(rstCode: number | undefined): ConnectError | undefined {
  const [name, code] = CODES.get(rstCode ?? 0) ?? [];
  if (code === undefined) return undefined;
  return new ConnectError(`http/2 stream closed with error code ${name} (0x${rstCode?.toString(16)})`, code);
}
