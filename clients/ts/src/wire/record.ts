/** Labels that travel with a record. */
type Labels = Readonly<Record<string, string>>;

/** A record as it is encoded. */
export interface EncodedRecord {
  /** The content. */
  readonly payload: Uint8Array;
  /** The labels. */
  readonly metadata?: Labels | undefined;
}

/**
 * What a handle without a codec writes: opaque bytes and a few labels.
 *
 * A record has no other fields: the index signature makes them errors of the compiler, for variables as well as for
 * literals. A record that is declared as an interface of the application needs the type `RecordInit`, or a type alias.
 */
export interface RecordInit extends EncodedRecord {
  /** The content. A record without content says so: `new Uint8Array(0)`. */
  readonly payload: Uint8Array;
  /** Labels that travel with the record. */
  readonly metadata?: Labels | undefined;
  readonly [other: string]: Uint8Array | Labels | undefined;
}

/** The size of a record as the limits count it: payload plus the UTF-8 lengths of all metadata keys and values. */
export function recordSize({ payload, metadata }: EncodedRecord): number {
  let size = payload.length;
  for (const name in metadata) size += utf8Length(name) + utf8Length(metadata[name]);
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
