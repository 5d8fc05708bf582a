import { readBytes, readHeader, readPayload, readText } from "@streamkit/protocol/transport";
import { WIRE_VARINT, type WireReader } from "@streamkit/protocol/wire";
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

/**
 * Reads the payload of REQUEST.
 *
 * @throws FrameError if the bytes are not such a message
 */
export function readRequest(payload: Uint8Array): RequestPayload {
  const headers = new HeaderList();
  let path = "";
  let timeoutMillis = 0;
  let message: Uint8Array | undefined;
  readPayload("REQUEST", payload, (reader) => {
    switch (reader.tag()) {
      case 1:
        path = readText(reader);
        break;
      case 2:
        addHeader(headers, reader);
        break;
      case 3:
        reader.expect(WIRE_VARINT);
        timeoutMillis = Math.min(reader.varint(), LONGEST_MILLIS);
        break;
      case 4:
        message = readBytes(reader);
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
  readPayload("SETTINGS", payload, (reader) => {
    if (reader.tag() === 1) addHeader(headers, reader);
    else reader.skip();
  });
  return headers;
}

/** @throws FrameError if the bytes are not a streamkit.transport.v1.Reset */
export function checkReset(payload: Uint8Array): void {
  readPayload("RESET", payload, (reader) => {
    if (reader.tag() === 1) readText(reader);
    else reader.skip();
  });
}

function addHeader(headers: HeaderList, reader: WireReader): void {
  const { name, value } = readHeader(reader);
  headers.add(name, value);
}
