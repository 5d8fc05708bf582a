import { FrameError } from "@streamkit/protocol/transport";
import { WIRE_LENGTH, WIRE_VARINT, WireFormatError, WireReader } from "@streamkit/protocol/wire";
import { HeaderList } from "./headers.ts";

/** The payload of REQUEST: streamkit.transport.v1.Request. */
export interface RequestPayload {
  readonly path: string;
  readonly headers: HeaderList;
  /** Time limit of the call in milliseconds, at most the longest wait of a timer; 0 for no limit. */
  readonly timeoutMillis: number;
  /** The request message as a view of the payload; undefined if it follows in other frames. */
  readonly message: Uint8Array | undefined;
}

/** Longest wait of a timer, in milliseconds: 24.8 days. */
const LONGEST_MILLIS = 2 ** 31 - 1;

const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads the payload of REQUEST. Generated code would create an object for every header before the headers are counted.
 *
 * @throws FrameError if the bytes are not such a message
 */
export function readRequest(payload: Uint8Array): RequestPayload {
  const headers = new HeaderList();
  let path = "";
  let timeoutMillis = 0;
  let message: Uint8Array | undefined;
  read("REQUEST", payload, (reader) => {
    switch (reader.tag()) {
      case 1:
        path = text(reader);
        break;
      case 2:
        addHeader(headers, reader);
        break;
      case 3:
        reader.expect(WIRE_VARINT);
        timeoutMillis = Math.min(reader.varint(), LONGEST_MILLIS);
        break;
      case 4:
        reader.expect(WIRE_LENGTH);
        message = reader.bytes();
        break;
      default:
        reader.skip();
    }
  });
  return { path, headers, timeoutMillis, message };
}

/**
 * Reads the payload of SETTINGS: streamkit.transport.v1.Settings.
 *
 * @throws FrameError if the bytes are not such a message
 */
export function readSettings(payload: Uint8Array): HeaderList {
  const headers = new HeaderList();
  read("SETTINGS", payload, (reader) => {
    if (reader.tag() === 1) addHeader(headers, reader);
    else reader.skip();
  });
  return headers;
}

/** @throws FrameError if the bytes are not a streamkit.transport.v1.Reset */
export function checkReset(payload: Uint8Array): void {
  read("RESET", payload, (reader) => {
    if (reader.tag() === 1) text(reader);
    else reader.skip();
  });
}

function read(kind: string, payload: Uint8Array, field: (reader: WireReader) => void): void {
  const reader = new WireReader(payload);
  try {
    while (reader.more) field(reader);
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error;
    throw new FrameError(`the payload of ${kind} is not valid protobuf: ${error.message}`);
  }
}

function addHeader(headers: HeaderList, reader: WireReader): void {
  reader.expect(WIRE_LENGTH);
  const inner = new WireReader(reader.bytes());
  let name = "";
  let value = "";
  while (inner.more) {
    const field = inner.tag();
    if (field === 1) name = text(inner);
    else if (field === 2) value = text(inner);
    else inner.skip();
  }
  headers.add(name, value);
}

function text(reader: WireReader): string {
  reader.expect(WIRE_LENGTH);
  try {
    return TEXT.decode(reader.bytes());
  } catch (error) {
    if (error instanceof WireFormatError) throw error;
    throw new WireFormatError(`field ${reader.field} is not valid UTF-8`);
  }
}
