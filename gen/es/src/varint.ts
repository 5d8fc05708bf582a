/** Protobuf wire types: https://protobuf.dev/programming-guides/encoding/#structure */
export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_LENGTH = 2;
export const WIRE_FIXED32 = 5;

/** Length of `value` (0 to 2^53 - 1) as a varint, in bytes. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let length = 4;
  for (let rest = Math.floor(value / 0x10000000); rest > 0; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** Writes `value` (0 to 2^53 - 1) at `at`, and returns the position behind it. The buffer must have room for it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  while (value >= 0x80000000) {
    target[at++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  while (value >= 0x80) {
    target[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  target[at++] = value;
  return at;
}

/** The error of malformed protobuf. */
export class WireFormatError extends Error {
  override readonly name = "WireFormatError";
}

/**
 * Reads encoded protobuf field by field, without making objects.
 *
 * `tag()` reads the tag of a field. Then call exactly one of `varint()`, `bytes()` and `skip()` for its value. All
 * throw WireFormatError for malformed bytes.
 */
export class WireReader {
  readonly buffer: Uint8Array;
  position: number;
  readonly end: number;
  field = 0;
  wireType = 0;

  constructor(buffer: Uint8Array, position = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
  }

  /** True if there is another field. */
  get more(): boolean {
    return this.position < this.end;
  }

  /** Reads the next tag into `field` and `wireType`; returns the field number. */
  tag(): number {
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag & 7;
    if (this.field === 0 || tag > 0xffffffff) throw new WireFormatError("invalid field tag");
    return this.field;
  }

  /** Reads an unsigned varint. Values above 2^53 lose precision, but stay above 2^53. */
  varint(): number {
    const { buffer, end } = this;
    let at = this.position;
    if (at >= end) throw new WireFormatError("message ends inside a varint");
    let byte = buffer[at++];
    if (byte < 0x80) {
      this.position = at;
      return byte;
    }
    let value = byte & 0x7f;
    let factor = 0x80;
    for (let i = 1; i < 10; i++) {
      if (at >= end) throw new WireFormatError("message ends inside a varint");
      byte = buffer[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.position = at;
        return value;
      }
      factor *= 0x80;
    }
    throw new WireFormatError("varint is longer than 10 bytes");
  }

  /** Reads an unsigned varint exactly (64 bits). */
  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.position >= this.end) throw new WireFormatError("message ends inside a varint");
      const byte = this.buffer[this.position++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireFormatError("varint is longer than 10 bytes");
  }

  /** Reads the length of a length-delimited value and checks that the value is there; `position` is then its start. */
  length(): number {
    const length = this.varint();
    if (length > this.end - this.position) throw new WireFormatError("message ends inside a field");
    return length;
  }

  /** Reads a length-delimited value as a view. */
  bytes(): Uint8Array {
    const length = this.length();
    const start = this.position;
    this.position = start + length;
    return this.buffer.subarray(start, this.position);
  }

  /** Fails unless the current field has this wire type. */
  expect(wireType: number): void {
    if (this.wireType !== wireType) {
      throw new WireFormatError(`field ${this.field} has wire type ${this.wireType}, expected ${wireType}`);
    }
  }

  /** Skips the value of the current field. */
  skip(): void {
    switch (this.wireType) {
      case WIRE_VARINT:
        this.varint();
        return;
      case WIRE_FIXED64:
        this.#advance(8);
        return;
      case WIRE_LENGTH:
        this.#advance(this.length());
        return;
      case WIRE_FIXED32:
        this.#advance(4);
        return;
      default:
        throw new WireFormatError(`field ${this.field} has wire type ${this.wireType}, which is not in use`);
    }
  }

  #advance(count: number): void {
    if (count > this.end - this.position) throw new WireFormatError("message ends inside a field");
    this.position += count;
  }
}
