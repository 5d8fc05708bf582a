import { WIRE_LENGTH, WireFormatError, WireReader } from "../varint.ts";
import { FrameError } from "./frames.ts";

const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a payload field by field. Generated code would make objects before a peer could count them, and it would make a
 * page larger.
 *
 * @param kind the name of the frame, for the error
 * @param field reads the tag of a field, and reads or skips its value
 * @throws FrameError if the bytes are not valid protobuf
 */
export function readPayload(kind: string, payload: Uint8Array, field: (reader: WireReader) => void): void {
  const reader = new WireReader(payload);
  try {
    while (reader.more) field(reader);
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error;
    throw new FrameError(`the payload of ${kind} is not valid protobuf: ${error.message}`);
  }
}

/** Reads a message inside another, as `readPayload` does. */
export function readMessage(reader: WireReader, field: (reader: WireReader) => void): void {
  const inner = new WireReader(readBytes(reader));
  while (inner.more) field(inner);
}

/** Reads a value of type `bytes` as a view. */
export function readBytes(reader: WireReader): Uint8Array {
  reader.expect(WIRE_LENGTH);
  return reader.bytes();
}

/** Reads a value of type `string`. */
export function readText(reader: WireReader): string {
  const bytes = readBytes(reader);
  try {
    return TEXT.decode(bytes);
  } catch {
    throw new WireFormatError(`field ${reader.field} is not valid UTF-8`);
  }
}

/** Reads a streamkit.transport.v1.Header. */
export function readHeader(reader: WireReader): { name: string; value: string } {
  const header = { name: "", value: "" };
  readMessage(reader, (inner) => {
    const field = inner.tag();
    if (field === 1) header.name = readText(inner);
    else if (field === 2) header.value = readText(inner);
    else inner.skip();
  });
  return header;
}
