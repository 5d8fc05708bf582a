import { WIRE_LENGTH, WIRE_VARINT, WireReader } from "@streamkit/protocol/wire";
import type { Codec } from "../codec.ts";
import { invalidArgument } from "../errors/error.ts";
import { Entry } from "./entry.ts";

// The first character of a name may be U+FEFF, which is no byte order mark there.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * Consecutive entries of one segment from one transaction. The server stores and sends entries in batches.
 *
 * A batch is a view of the received bytes. It decodes names, ids and entries when you access them.
 */
export class Batch<T = Uint8Array> implements Iterable<Entry<T>> {
  /** Sequence of the first entry. */
  readonly firstSequence: number;
  /** Offset of the first entry. */
  readonly firstOffset: number;
  /** Commit time of the transaction, in microseconds since 1970-01-01T00:00Z. */
  readonly commitTimeMicros: number;
  /** Number of entries; at least 1. */
  readonly length: number;
  /** The codec of the handle that reads. */
  readonly codec: Codec<T, never>;

  readonly #parts: BatchParts;
  /** Number of records of `#parts` before the first one of this batch. */
  readonly #skipped: number;

  /** @internal Batches are made by reads. */
  constructor(parts: BatchParts, codec: Codec<T, never>, skipped = 0) {
    this.#parts = parts;
    this.codec = codec;
    this.#skipped = skipped;
    this.firstSequence = parts.firstSequence + skipped;
    this.firstOffset = parts.firstOffset + skipped;
    this.commitTimeMicros = parts.commitTimeMicros;
    this.length = parts.spans.length / 2 - skipped;
  }

  /** The id of the store that holds the entries. */
  get storeId(): string {
    return this.#parts.storeId;
  }

  /** The space that holds the entries. */
  get space(): string {
    this.#parts.spaceName ??= UTF8.decode(this.#parts.space);
    return this.#parts.spaceName;
  }

  /** The segment that holds the entries. */
  get segment(): string {
    this.#parts.segmentName ??= UTF8.decode(this.#parts.segment);
    return this.#parts.segmentName;
  }

  /** Commit time of the transaction, cut to milliseconds. */
  get commitTime(): Date {
    return new Date(Math.floor(this.commitTimeMicros / 1_000));
  }

  /** The id that the writer chose for the transaction. */
  get transactionId(): string {
    return readTransaction(this.#parts).id;
  }

  /** The transaction's place in the history of its space, dense from 1. */
  get transactionNumber(): number {
    return readTransaction(this.#parts).number;
  }

  /** Sequence of the last entry. */
  get lastSequence(): number {
    return this.firstSequence + this.length - 1;
  }

  /** Offset of the last entry. */
  get lastOffset(): number {
    return this.firstOffset + this.length - 1;
  }

  /**
   * Gives one entry.
   *
   * @param index 0 to `length` - 1
   * @throws StreamkitError INVALID_FIELD for any other index
   */
  at(index: number): Entry<T> {
    if (!(Number.isInteger(index) && index >= 0 && index < this.length)) {
      throw invalidArgument("index", `must be a whole number from 0 to ${this.length - 1}; got ${index}`);
    }
    const span = (index + this.#skipped) * 2;
    return new Entry(this, index, this.#parts.bytes, this.#parts.spans[span], this.#parts.spans[span + 1]);
  }

  /** The entries, in order. */
  *[Symbol.iterator](): IterableIterator<Entry<T>> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** @internal The batch without its first `count` entries. */
  after(count: number): Batch<T> {
    return new Batch(this.#parts, this.codec, this.#skipped + count);
  }
}

/** The parts of an encoded `streamkit.v1.EntryBatch`, found in one pass. */
interface BatchParts {
  readonly storeId: string;
  readonly bytes: Uint8Array;
  /** Start and end of each encoded Record in `bytes`. */
  readonly spans: readonly number[];
  readonly firstSequence: number;
  readonly firstOffset: number;
  readonly commitTimeMicros: number;
  readonly space: Uint8Array;
  readonly segment: Uint8Array;
  readonly transaction: Uint8Array;
  spaceName?: string;
  segmentName?: string;
  transactionIdentity?: { id: string; number: number };
}

/**
 * Finds the parts of an encoded `streamkit.v1.EntryBatch`.
 *
 * @throws WireFormatError for malformed bytes
 */
export function decodeBatch<T>(storeId: string, bytes: Uint8Array, codec: Codec<T, never>): Batch<T> {
  const reader = new WireReader(bytes);
  const spans: number[] = [];
  let firstSequence = 0;
  let firstOffset = 0;
  let commitTimeMicros = 0;
  let space = EMPTY;
  let segment = EMPTY;
  let transaction = EMPTY;
  while (reader.more) {
    const field = reader.tag();
    if (field === 7) {
      reader.expect(WIRE_LENGTH);
      const length = reader.length();
      spans.push(reader.position, reader.position + length);
      reader.position += length;
    } else if (field === 3 || field === 4) {
      reader.expect(WIRE_VARINT);
      if (field === 3) firstSequence = reader.varint();
      else firstOffset = reader.varint();
    } else if (field >= 1 && field <= 6) {
      reader.expect(WIRE_LENGTH);
      const value = reader.bytes();
      if (field === 1) space = value;
      else if (field === 2) segment = value;
      else if (field === 5) commitTimeMicros = readTimestampMicros(value);
      else transaction = value;
    } else {
      reader.skip();
    }
  }
  const parts = { storeId, bytes, spans, firstSequence, firstOffset, commitTimeMicros, space, segment, transaction };
  return new Batch(parts, codec);
}

function readTimestampMicros(bytes: Uint8Array): number {
  const reader = new WireReader(bytes);
  let seconds = 0;
  let nanos = 0;
  while (reader.more) {
    const field = reader.tag();
    if (field === 1) seconds = Number(BigInt.asIntN(64, reader.varint64()));
    else if (field === 2) nanos = reader.varint();
    else reader.skip();
  }
  return seconds * 1_000_000 + Math.floor(nanos / 1_000);
}

function readTransaction(parts: BatchParts): { id: string; number: number } {
  if (parts.transactionIdentity !== undefined) return parts.transactionIdentity;
  const reader = new WireReader(parts.transaction);
  const transaction = { id: "", number: 0 };
  while (reader.more) {
    const field = reader.tag();
    if (field === 1) transaction.id = UTF8.decode(reader.bytes());
    else if (field === 2) transaction.number = reader.varint();
    else reader.skip();
  }
  parts.transactionIdentity = transaction;
  return transaction;
}
