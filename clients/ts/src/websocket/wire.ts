import { type DescMessage, type DescMethod, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { FRAME_HEADER_BYTES, FrameKind, writeFrameHeader } from "@streamkit/protocol/transport";
import { varintLength, writeVarint } from "@streamkit/protocol/wire";
import { invalidArgument } from "../errors/error.ts";
import { areSteady } from "../transport/steady-headers.ts";
import { FieldWriter, fieldBytes } from "../wire/field-writer.ts";
import { utf8Length } from "../wire/record.ts";
import { slab } from "../wire/slab.ts";

/** Largest headers of a request, and of a socket, in bytes of names and values. */
const MAX_HEADER_BYTES = 16_384;

// Tags of messages of streamkit.transport.v1: field number << 3 | wire type.
const TAG_PATH = 0x0a;
const TAG_REQUEST_HEADERS = 0x12;
const TAG_TIMEOUT = 0x18;
const TAG_REQUEST_MESSAGE = 0x22;
const TAG_SETTINGS_HEADERS = 0x0a;
const TAG_NAME = 0x0a;
const TAG_VALUE = 0x12;

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

const NOTHING = new Uint8Array();
const pathFields = new WeakMap<DescMethod, Uint8Array>();
const steadyFields = new WeakMap<object, Uint8Array>();
/** REQUEST frames of one moment are neighbours here, so that the outbox sends them without a copy. */
const takeFrame = slab();

/** The field `path` for a method. */
export function pathField(method: DescMethod): Uint8Array {
  let field = pathFields.get(method);
  if (field === undefined) {
    const writer = new FieldWriter(0);
    writer.text(TAG_PATH, `/${method.parent.typeName}/${method.name}`);
    field = writer.finish();
    pathFields.set(method, field);
  }
  return field;
}

/** The fields `headers` for headers of one call. @throws StreamkitError INVALID_FIELD for more than a call may have */
export function requestHeaders(headers: HeadersInit | undefined): Uint8Array {
  if (headers === undefined) return NOTHING;
  let fields = steadyFields.get(headers);
  if (fields === undefined) {
    fields = headerFields(TAG_REQUEST_HEADERS, headers);
    if (areSteady(headers)) steadyFields.set(headers, fields);
  }
  return fields;
}

/** The payload of SETTINGS. @throws StreamkitError INVALID_FIELD for more headers than a socket may have */
export function settingsPayload(headers: HeadersInit): Uint8Array {
  return headerFields(TAG_SETTINGS_HEADERS, headers);
}

function headerFields(tag: number, headers: HeadersInit): Uint8Array {
  const writer = new FieldWriter(0);
  let bytes = 0;
  for (const [name, value] of new Headers(headers)) {
    bytes += name.length + value.length;
    const valueLength = utf8Length(value);
    writer.begin(tag, fieldBytes(name.length) + fieldBytes(valueLength));
    writer.text(TAG_NAME, name, name.length);
    writer.text(TAG_VALUE, value, valueLength);
  }
  if (bytes <= MAX_HEADER_BYTES) return writer.finish();
  throw invalidArgument("headers", `expected names and values of ${MAX_HEADER_BYTES} bytes at most; found ${bytes}`);
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
  const frame = takeFrame(FRAME_HEADER_BYTES + bytes);
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

/** A message of an answer. @throws ConnectError for malformed bytes */
export function decode<O extends DescMessage>(schema: O, bytes: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(schema, bytes);
  } catch (thrown) {
    throw new ConnectError("the answer cannot be decoded", Code.Internal, undefined, undefined, thrown);
  }
}
