import { varintLength, writeVarint } from "@streamkit/protocol/wire";
import { type EncodedRecord, recordSize, utf8Length } from "./record.ts";

/** The conditions of an append to a segment. */
export interface SegmentConditions {
  readonly expectedLastSequence?: bigint | undefined;
  readonly fencingToken?: bigint | undefined;
}

// Tags of streamkit.v1.SegmentAppend, Record and Record.MetadataEntry: field number << 3 | wire type.
const TAG_SEGMENT = 0x0a;
const TAG_EXPECTED_LAST_SEQUENCE = 0x10;
const TAG_FENCING_TOKEN = 0x18;
const TAG_RECORD = 0x3a;
const TAG_PAYLOAD = 0x0a;
const TAG_METADATA = 0x12;
const TAG_KEY = 0x0a;
const TAG_VALUE = 0x12;

const UTF8 = new TextEncoder();

/**
 * Encodes one `streamkit.v1.SegmentAppend` record by record into one growing buffer. Message objects for each record
 * would limit the speed of bulk writes. The generated code would produce the same bytes.
 */
export class SegmentAppendEncoder {
  /** Number of records. */
  records = 0;
  /** Sum of the sizes of the records, as `recordSize` counts. */
  recordBytes = 0;

  #buffer: Uint8Array;
  #length = 0;
  /** Length of the fields before the first record. */
  readonly #headerLength: number;

  constructor(segment: string, conditions: SegmentConditions = {}, expectedBytes = 512) {
    const nameLength = utf8Length(segment);
    this.#buffer = new Uint8Array(Math.max(expectedBytes, nameLength + 32));
    if (nameLength > 0) this.#writeText(TAG_SEGMENT, segment, nameLength);
    if (conditions.expectedLastSequence !== undefined) {
      this.#writeUint64(TAG_EXPECTED_LAST_SEQUENCE, conditions.expectedLastSequence);
    }
    if (conditions.fencingToken !== undefined) this.#writeUint64(TAG_FENCING_TOKEN, conditions.fencingToken);
    this.#headerLength = this.#length;
  }

  /** Length of the encoding so far. */
  get byteLength(): number {
    return this.#length;
  }

  /** Length of the encoding of the records alone, which `maxTransactionEncodedBytes` limits. */
  get recordsByteLength(): number {
    return this.#length - this.#headerLength;
  }

  /** Appends one record of `size` bytes as `recordSize` counts. */
  add(record: EncodedRecord, size: number = recordSize(record)): void {
    const { payload, metadata } = record;
    const payloadLength = payload.length;
    let length = payloadLength === 0 ? 0 : 1 + varintLength(payloadLength) + payloadLength;
    for (const name in metadata) {
      const entry = entryLength(utf8Length(name), utf8Length(metadata[name]));
      length += 1 + varintLength(entry) + entry;
    }
    this.#reserve(length + 6);
    this.#length = writeLength(this.#buffer, this.#length, TAG_RECORD, length);
    if (payloadLength > 0) {
      this.#length = writeLength(this.#buffer, this.#length, TAG_PAYLOAD, payloadLength);
      this.#buffer.set(payload, this.#length);
      this.#length += payloadLength;
    }
    for (const name in metadata) this.#writeMetadata(name, metadata[name]);
    this.records += 1;
    this.recordBytes += size;
  }

  /** The encoded message. Do not use the encoder afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #writeMetadata(name: string, value: string): void {
    const nameLength = utf8Length(name);
    const valueLength = utf8Length(value);
    this.#length = writeLength(this.#buffer, this.#length, TAG_METADATA, entryLength(nameLength, valueLength));
    this.#writeText(TAG_KEY, name, nameLength);
    this.#writeText(TAG_VALUE, value, valueLength);
  }

  #writeText(tag: number, text: string, byteLength: number): void {
    const buffer = this.#buffer;
    let at = writeLength(buffer, this.#length, tag, byteLength);
    if (byteLength === text.length && byteLength <= 32) {
      for (let i = 0; i < byteLength; i++) buffer[at++] = text.charCodeAt(i);
    } else {
      at += UTF8.encodeInto(text, buffer.subarray(at)).written;
    }
    this.#length = at;
  }

  #writeUint64(tag: number, value: bigint): void {
    this.#reserve(11);
    this.#buffer[this.#length++] = tag;
    while (value > 0x7fn) {
      this.#buffer[this.#length++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.#buffer[this.#length++] = Number(value);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

function entryLength(nameLength: number, valueLength: number): number {
  return 2 + varintLength(nameLength) + nameLength + varintLength(valueLength) + valueLength;
}

function writeLength(buffer: Uint8Array, at: number, tag: number, length: number): number {
  buffer[at] = tag;
  return writeVarint(buffer, at + 1, length);
}
