import { WIRE_LENGTH, WireReader } from "@streamkit/protocol/wire";
import { StreamkitError } from "../errors/error.ts";
import type { Batch } from "./batch.ts";

// The first character of a label may be U+FEFF, which is no byte order mark there.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const EMPTY: Uint8Array = new Uint8Array(0);
const NO_METADATA: Readonly<Record<string, string>> = Object.freeze({});

/**
 * A record with its positions.
 *
 * An entry is a view of the received bytes. It decodes its parts when you access them. `payload` shares memory with the
 * other entries of the response: keep `payload.slice()` if you keep payloads for long.
 */
export class Entry<T = Uint8Array> {
  /** The batch of the entry. */
  readonly batch: Batch<T>;
  /** Index in the batch, from 0. */
  readonly index: number;

  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #decoded: Uint8Array | undefined;

  /** @internal Entries are made by their batch. */
  constructor(batch: Batch<T>, index: number, bytes: Uint8Array, start: number, end: number) {
    this.batch = batch;
    this.index = index;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#decoded = undefined;
  }

  /** Position in the segment, dense from 1. */
  get sequence(): number {
    return this.batch.firstSequence + this.index;
  }

  /** Position in the space, dense from 1. */
  get offset(): number {
    return this.batch.firstOffset + this.index;
  }

  /** The id of the store that holds the entry. */
  get storeId(): string {
    return this.batch.storeId;
  }

  /** The space that holds the entry. */
  get space(): string {
    return this.batch.space;
  }

  /** The segment that holds the entry. */
  get segment(): string {
    return this.batch.segment;
  }

  /** Commit time, cut to milliseconds. */
  get commitTime(): Date {
    return this.batch.commitTime;
  }

  /** Commit time in microseconds since 1970-01-01T00:00Z. It rises with each transaction of a space. */
  get commitTimeMicros(): number {
    return this.batch.commitTimeMicros;
  }

  /** The id that the writer chose for the transaction. */
  get transactionId(): string {
    return this.batch.transactionId;
  }

  /** The transaction's place in the history of its space, dense from 1. */
  get transactionNumber(): number {
    return this.batch.transactionNumber;
  }

  /** The content, as the writer's codec encoded it. */
  get payload(): Uint8Array {
    this.#decoded ??= this.#readPayload();
    return this.#decoded;
  }

  /** The labels. */
  get metadata(): Readonly<Record<string, string>> {
    const reader = new WireReader(this.#bytes, this.#start, this.#end);
    let metadata: Record<string, string> | undefined;
    while (reader.more) {
      if (reader.tag() !== 2) {
        reader.skip();
        continue;
      }
      reader.expect(WIRE_LENGTH);
      metadata ??= {};
      readLabel(reader.bytes(), metadata);
    }
    return metadata ?? NO_METADATA;
  }

  /**
   * The content, decoded by the codec of the handle that reads. Each access decodes it again.
   *
   * @throws StreamkitError CODEC_FAILED if the codec throws, with the codec's error as its `cause` and this entry as
   *   its `entry`
   */
  get value(): T {
    try {
      return this.batch.codec.decode(this.payload, this);
    } catch (cause) {
      throw undecodable(this, cause);
    }
  }

  /** A plain object without the payload, for logs and `JSON.stringify`. */
  toJSON(): Record<string, unknown> {
    const { space, segment, sequence, offset, commitTime, transactionId, transactionNumber, metadata } = this;
    return { space, segment, sequence, offset, commitTime, transactionId, transactionNumber, metadata };
  }

  #readPayload(): Uint8Array {
    const reader = new WireReader(this.#bytes, this.#start, this.#end);
    let payload = EMPTY;
    while (reader.more) {
      if (reader.tag() === 1) {
        reader.expect(WIRE_LENGTH);
        payload = reader.bytes();
      } else {
        reader.skip();
      }
    }
    return payload;
  }
}

function undecodable(entry: Entry<unknown>, cause: unknown): StreamkitError {
  const { storeId, space, segment, sequence, offset } = entry;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message =
    `the codec cannot decode entry ${sequence} of segment "${segment}" in space "${space}" (offset ${offset}, store ${storeId}): ` +
    `${reason}; the error has it as "entry"`;
  return new StreamkitError("CODEC_FAILED", "invalid_argument", message, { segment, entry, cause });
}

function readLabel(bytes: Uint8Array, metadata: Record<string, string>): void {
  const reader = new WireReader(bytes);
  let name = "";
  let value = "";
  while (reader.more) {
    const field = reader.tag();
    if (field === 1) name = UTF8.decode(reader.bytes());
    else if (field === 2) value = UTF8.decode(reader.bytes());
    else reader.skip();
  }
  // An assignment would not work for a label with the name "__proto__".
  Object.defineProperty(metadata, name, { value, enumerable: true, configurable: true, writable: true });
}
