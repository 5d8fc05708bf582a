import { create, type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  FRAME_HEADER_BYTES,
  FrameError,
  FrameKind,
  type Header,
  RequestSchema,
  type Result,
  ResultSchema,
  type Status,
  writeFrameHeader,
} from "@streamkit/protocol/transport";
import { varintLength, WIRE_LENGTH, WireReader, writeVarint } from "@streamkit/protocol/wire";
import { invalidArgument } from "../errors/error.ts";

/** Largest headers of a request, and of a socket, in bytes of names and values. */
const MAX_HEADER_BYTES = 16_384;

// Tags of streamkit.transport.v1.Request and Result: field number << 3 | wire type.
const TAG_PATH = 0x0a;
const TAG_TIMEOUT = 0x18;
const TAG_REQUEST_MESSAGE = 0x22;
const TAG_RESULT_MESSAGE = 0x0a;

/** A request, as far as it is encoded before its call has an id. */
export interface EncodedRequest {
  /** The field `path`. */
  readonly path: Uint8Array;
  /** The fields `headers`. */
  readonly headers: Uint8Array;
  /** Milliseconds; 0: no deadline. */
  readonly timeoutMillis: number;
  /** The one message of a call that sends no more; undefined: its messages follow. */
  readonly message: Uint8Array | undefined;
}

const pathFields = new WeakMap<DescMethod, Uint8Array>();

/** The field `path` for a method. */
export function pathField(method: DescMethod): Uint8Array {
  let field = pathFields.get(method);
  if (field === undefined) {
    const path = new TextEncoder().encode(`/${method.parent.typeName}/${method.name}`);
    field = new Uint8Array(1 + varintLength(path.length) + path.length);
    field[0] = TAG_PATH;
    field.set(path, writeVarint(field, 1, path.length));
    pathFields.set(method, field);
  }
  return field;
}

const NOTHING = new Uint8Array();

/** The fields `headers` for headers of one call. @throws StreamkitError INVALID_FIELD for more than a call may have */
export function headerFields(headers: HeadersInit | undefined): Uint8Array {
  if (headers === undefined) return NOTHING;
  const list = headerList(headers);
  return list.length === 0 ? NOTHING : toBinary(RequestSchema, create(RequestSchema, { headers: list }));
}

/** Headers as messages. @throws StreamkitError INVALID_FIELD for more than a call or a socket may have */
export function headerList(headers: HeadersInit): { name: string; value: string }[] {
  const list = [...new Headers(headers)].map(([name, value]) => ({ name, value }));
  const bytes = list.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (bytes <= MAX_HEADER_BYTES) return list;
  throw invalidArgument("headers", `expected names and values of ${MAX_HEADER_BYTES} bytes at most; found ${bytes}`);
}

export function toHeaders(list: readonly Header[]): Headers {
  const headers = new Headers();
  for (const { name, value } of list) headers.append(name, value);
  return headers;
}

/** Bytes of the payload of REQUEST. */
export function requestBytes({ path, headers, timeoutMillis, message }: EncodedRequest): number {
  const timeout = timeoutMillis === 0 ? 0 : 1 + varintLength(timeoutMillis);
  const rest = message === undefined ? 0 : 1 + varintLength(message.length) + message.length;
  return path.length + headers.length + timeout + rest;
}

/** The frame REQUEST. */
export function requestFrame(call: number, request: EncodedRequest): Uint8Array {
  const { path, headers, timeoutMillis, message } = request;
  const bytes = requestBytes(request);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + bytes);
  let at = writeFrameHeader(frame, 0, FrameKind.REQUEST, call, bytes);
  frame.set(path, at);
  frame.set(headers, at + path.length);
  at += path.length + headers.length;
  if (timeoutMillis > 0) {
    frame[at] = TAG_TIMEOUT;
    at = writeVarint(frame, at + 1, timeoutMillis);
  }
  if (message === undefined) return frame;
  frame[at] = TAG_REQUEST_MESSAGE;
  frame.set(message, writeVarint(frame, at + 1, message.length));
  return frame;
}

/** The content of the frame RESULT. Most results are a message and nothing else. */
export interface ReadResult {
  readonly message: Uint8Array | undefined;
  readonly rest: Result | undefined;
}

/** Reads the payload of RESULT. @throws FrameError for malformed bytes */
export function readResult(payload: Uint8Array): ReadResult {
  if (payload[0] === TAG_RESULT_MESSAGE) {
    const reader = new WireReader(payload, 1);
    reader.wireType = WIRE_LENGTH;
    try {
      const message = reader.bytes();
      if (!reader.more) return { message, rest: undefined };
    } catch {
      throw new FrameError("a frame RESULT ends inside its message");
    }
  }
  const rest = parsed("RESULT", () => fromBinary(ResultSchema, payload));
  return { message: rest.message, rest };
}

/** Runs a parser. @throws FrameError for bytes that it refuses */
export function parsed<T>(kind: string, parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    throw new FrameError(`the payload of ${kind} cannot be decoded: ${(thrown as Error).message}`);
  }
}

/** A message of an answer. @throws ConnectError for malformed bytes */
export function decode<O extends DescMessage>(schema: O, bytes: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(schema, bytes);
  } catch (thrown) {
    throw new ConnectError("the answer cannot be decoded", Code.Internal, undefined, undefined, thrown);
  }
}

/** The error of a status. */
export function errorOfStatus(status: Status, headers: readonly Header[], trailers: readonly Header[]): ConnectError {
  const code = status.code in Code ? (status.code as Code) : Code.Unknown;
  const error = new ConnectError(status.message, code, toHeaders([...headers, ...trailers]));
  error.details = status.details.map(({ type, value }) => ({ type, value }));
  return error;
}
