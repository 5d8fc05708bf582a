import { invalidArgument } from "../errors/error.ts";

/** What an application writes: opaque bytes and a few labels. */
export interface RecordInit {
  /** The content. Absent is the same as empty. */
  readonly payload?: Uint8Array | undefined;
  /** Labels that travel with the record. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/**
 * The size of a record as the limits count it: payload plus the UTF-8 lengths of all metadata keys and values. Throws for
 * metadata that is not text.
 */
export function recordSize(record: RecordInit): number {
  let size = record.payload === undefined ? 0 : record.payload.length;
  for (const name in record.metadata) {
    const value = record.metadata[name];
    if (typeof value !== "string") throw invalidArgument(`metadata["${name}"]`, "must be a string");
    size += utf8Length(name) + utf8Length(value);
  }
  return size;
}

/** Bytes that a string takes in UTF-8; a lone surrogate counts as U+FFFD, which is what encoders make of it. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (unit < 0xd800 || unit > 0xdbff) length += 2;
    else {
      const next = text.charCodeAt(i + 1);
      // A pair is two units and four bytes; a lone surrogate is one unit and three bytes.
      length += 2;
      if (next >= 0xdc00 && next <= 0xdfff) i++;
    }
  }
  return length;
}
