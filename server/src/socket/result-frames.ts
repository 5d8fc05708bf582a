import { create, toBinary } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import {
  encodeFrame,
  FRAME_HEADER_BYTES,
  FrameKind,
  MAX_FRAME_BYTES,
  ResponseSchema,
  ResultSchema,
  writeFrameHeader,
} from "@streamkit/protocol/transport";
import { varintLength, WIRE_LENGTH, writeVarint } from "@streamkit/protocol/wire";
import { errorParts } from "../routes/connect-error.ts";

/** Longest error text, in characters, if a RESULT would otherwise be too large for a frame. */
const SHORT_TEXT = 1_000;

interface Metadata {
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
}

/** Returns the size of a RESULT frame that carries only a message. */
function plainBytes(message: Uint8Array): number {
  return 1 + varintLength(message.length) + message.length;
}

/** Encodes RESULT with the message of a unary call. Returns undefined if the message needs its own frames. */
export function messageResult(call: number, message: Uint8Array, metadata: Metadata): Uint8Array | undefined {
  const payloadBytes = plainBytes(message);
  if (payloadBytes > MAX_FRAME_BYTES) return undefined;
  const headers = headersOf(metadata.responseHeader);
  const trailers = headersOf(metadata.responseTrailer);
  if (headers.length + trailers.length > 0) {
    const payload = toBinary(ResultSchema, create(ResultSchema, { message, headers, trailers }));
    return payload.length > MAX_FRAME_BYTES ? undefined : encodeFrame(FrameKind.RESULT, call, payload);
  }
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes);
  let at = writeFrameHeader(frame, 0, FrameKind.RESULT, call, payloadBytes);
  frame[at++] = (1 << 3) | WIRE_LENGTH;
  at = writeVarint(frame, at, message.length);
  frame.set(message, at);
  return frame;
}

/**
 * Encodes RESULT without a message and without a failure.
 *
 * @throws RangeError if headers and trailers are too large for a frame
 */
export function endResult(call: number, { responseHeader, responseTrailer }: Partial<Metadata>): Uint8Array {
  const headers = headersOf(responseHeader);
  const trailers = headersOf(responseTrailer);
  return fitting(FrameKind.RESULT, call, toBinary(ResultSchema, create(ResultSchema, { headers, trailers })));
}

/** Encodes RESULT with a failure. If the failure does not fit, it loses headers, then long texts, then details. */
export function errorResult(call: number, error: ConnectError, metadata: Partial<Metadata> = {}): Uint8Array {
  const { code, message, details: readonlyDetails } = errorParts(error);
  const details = [...readonlyDetails];
  const headers = headersOf(metadata.responseHeader);
  const trailers = [...headersOf(metadata.responseTrailer), ...headersOf(error.metadata)];
  const short = message.slice(0, SHORT_TEXT);
  for (const init of [
    { headers, trailers, status: { code, message, details } },
    { headers: [], trailers: [], status: { code, message: short, details } },
    { headers: [], trailers: [], status: { code, message: short, details: [] } },
  ]) {
    const payload = toBinary(ResultSchema, create(ResultSchema, init));
    if (payload.length <= MAX_FRAME_BYTES) return encodeFrame(FrameKind.RESULT, call, payload);
  }
  throw new RangeError("a RESULT without details is too large for a frame");
}

/**
 * Encodes RESPONSE with the headers of an answer. Returns undefined if there are none.
 *
 * @throws RangeError if the headers are too large for a frame
 */
export function responseFrame(call: number, responseHeader: Headers): Uint8Array | undefined {
  const headers = headersOf(responseHeader);
  if (headers.length === 0) return undefined;
  return fitting(FrameKind.RESPONSE, call, toBinary(ResponseSchema, create(ResponseSchema, { headers })));
}

function fitting(kind: FrameKind, call: number, payload: Uint8Array): Uint8Array {
  if (payload.length <= MAX_FRAME_BYTES) return encodeFrame(kind, call, payload);
  throw new RangeError(
    `headers and trailers of an answer have ${payload.length} bytes; at most ${MAX_FRAME_BYTES} fit`,
  );
}

function headersOf(headers: Headers | undefined) {
  return headers === undefined ? [] : [...headers].map(([name, value]) => ({ name, value }));
}
