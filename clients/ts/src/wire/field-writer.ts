import { varintLength, writeVarint } from "@streamkit/protocol/wire";
import { utf8Length } from "./record.ts";
import { slab } from "./slab.ts";

const UTF8 = new TextEncoder();
/** Most bytes of a tag and a number. */
const NUMBER_BYTES = 11;
const takePart = slab();

/** Writes protobuf fields, whose numbers are below 16, into one growing buffer. */
export class FieldWriter {
  #buffer: Uint8Array;
  #length = 0;

  /** @param expectedBytes size of the buffer at first */
  constructor(expectedBytes: number) {
    this.#buffer = takePart(expectedBytes);
  }

  /** Length of the fields so far. */
  get byteLength(): number {
    return this.#length;
  }

  /** Begins a field of `length` bytes; its value follows, and has room. */
  begin(tag: number, length: number): void {
    this.#reserve(fieldBytes(length));
    this.#buffer[this.#length] = tag;
    this.#length = writeVarint(this.#buffer, this.#length + 1, length);
  }

  bytes(tag: number, value: Uint8Array): void {
    this.begin(tag, value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  text(tag: number, value: string, byteLength: number = utf8Length(value)): void {
    this.begin(tag, byteLength);
    const buffer = this.#buffer;
    let at = this.#length;
    if (byteLength === value.length && byteLength <= 40) {
      for (let i = 0; i < byteLength; i++) buffer[at++] = value.charCodeAt(i);
    } else {
      at += UTF8.encodeInto(value, buffer.subarray(at)).written;
    }
    this.#length = at;
  }

  uint64(tag: number, value: bigint): void {
    this.#reserve(NUMBER_BYTES);
    this.#buffer[this.#length++] = tag;
    while (value > 0x7fn) {
      this.#buffer[this.#length++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.#buffer[this.#length++] = Number(value);
  }

  /** The fields. Do not use the writer afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

/** Bytes of a field of `length` bytes: tag, length and value. */
export function fieldBytes(length: number): number {
  return 1 + varintLength(length) + length;
}
