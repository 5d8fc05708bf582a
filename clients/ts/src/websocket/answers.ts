import { Code, ConnectError } from "@connectrpc/connect";
import { FrameError, readBytes, readHeader, readMessage, readPayload, readText } from "@streamkit/protocol/transport";
import { WIRE_LENGTH, WIRE_VARINT, WireReader } from "@streamkit/protocol/wire";

/** Tag of the field `message` of streamkit.transport.v1.Result. */
const TAG_RESULT_MESSAGE = 0x0a;

/** A header or trailer of an answer. */
export interface Header {
  readonly name: string;
  readonly value: string;
}

/** A failure: its code, its text, and its details as encoded messages. */
interface Status {
  code: number;
  message: string;
  readonly details: { type: string; value: Uint8Array }[];
}

/** The content of the frame RESULT. Most results are a message and nothing else. */
export interface ReadResult {
  readonly message: Uint8Array | undefined;
  readonly rest: RestOfResult | undefined;
}

interface RestOfResult {
  readonly headers: Header[];
  readonly trailers: Header[];
  /** Undefined after a success. */
  status: Status | undefined;
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
  let message: Uint8Array | undefined;
  const rest: RestOfResult = { headers: [], trailers: [], status: undefined };
  readPayload("RESULT", payload, (reader) => {
    const field = reader.tag();
    if (field === 1) message = readBytes(reader);
    else if (field === 2) {
      rest.status ??= { code: 0, message: "", details: [] };
      readStatus(reader, rest.status);
    } else if (field === 3) rest.headers.push(readHeader(reader));
    else if (field === 4) rest.trailers.push(readHeader(reader));
    else reader.skip();
  });
  return { message, rest };
}

function readStatus(reader: WireReader, status: Status): void {
  readMessage(reader, (inner) => {
    const field = inner.tag();
    if (field === 1) {
      inner.expect(WIRE_VARINT);
      status.code = inner.varint();
    } else if (field === 2) status.message = readText(inner);
    else if (field === 3) status.details.push(readDetail(inner));
    else inner.skip();
  });
}

function readDetail(reader: WireReader): { type: string; value: Uint8Array } {
  const detail = { type: "", value: new Uint8Array() };
  readMessage(reader, (inner) => {
    const field = inner.tag();
    if (field === 1) detail.type = readText(inner);
    else if (field === 2) detail.value = readBytes(inner).slice();
    else inner.skip();
  });
  return detail;
}

/** Reads the headers of RESPONSE. @throws FrameError for malformed bytes */
export function readResponse(payload: Uint8Array): Header[] {
  const headers: Header[] = [];
  readPayload("RESPONSE", payload, (reader) => {
    if (reader.tag() === 1) headers.push(readHeader(reader));
    else reader.skip();
  });
  return headers;
}

/** Reads the text of RESET or GOAWAY. @throws FrameError for malformed bytes */
export function readReason(kind: string, payload: Uint8Array): string {
  let message = "";
  readPayload(kind, payload, (reader) => {
    if (reader.tag() === 1) message = readText(reader);
    else reader.skip();
  });
  return message;
}

export function toHeaders(list: readonly Header[]): Headers {
  const headers = new Headers();
  for (const { name, value } of list) headers.append(name, value);
  return headers;
}

/** The error of a status. */
export function errorOfStatus(status: Status, headers: readonly Header[], trailers: readonly Header[]): ConnectError {
  const code = status.code in Code ? (status.code as Code) : Code.Unknown;
  const error = new ConnectError(status.message, code, toHeaders([...headers, ...trailers]));
  error.details = status.details;
  return error;
}
