/** Labels that travel with a record. */
type Labels = Readonly<Record<string, string>>;

/** The two parts of a record that go into its encoding. */
export interface EncodedRecord {
  /** The content. */
  readonly payload: Uint8Array;
  /** The labels. */
  readonly metadata?: Labels | undefined;
}

/**
 * A record for a handle without a codec: opaque bytes and a few labels.
 *
 * A record has no other fields. The index signature lets the compiler refuse them, in variables as well as in literals.
 * Declare records as `RecordInit` or with a type alias; an interface of the application does not match.
 */
export interface RecordInit extends EncodedRecord {
  /** The content. Use `new Uint8Array(0)` for a record without content. */
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

/** Length of a string in UTF-8, in bytes. A lone surrogate counts as U+FFFD, because encoders replace it so. */
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
