import { varintLength, WIRE_LENGTH, WireFormatError, WireReader, writeVarint } from "@streamkit/protocol/wire";
import { dataLoss } from "../../errors.ts";
import { utf8Length, writeText } from "./text-field.ts";
import { idOf, partsOf, UUID_LENGTH } from "./transaction-id.ts";

/** The facts about a batch that do not need its records. Positions count from 1; times are microseconds since 1970. */
export interface BatchHeader {
  readonly segment: string;
  readonly firstSequence: number;
  readonly firstOffset: number;
  readonly count: number;
  readonly commitTimeMicros: number;
  /** A UUID, perhaps with the mark of its writer; see transaction-id.ts. */
  readonly transactionId: string;
  readonly transactionNumber: number;
}

/** Tag byte of `EntryBatch.records` and of `SegmentAppend.records`: field 7, length-delimited. */
export const RECORDS_TAG = (7 << 3) | WIRE_LENGTH;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A `streamkit.v1.EntryBatch` in its encoded form, with its header decoded.
 *
 * The records stay the bytes that the writer sent: `records` is a run of encoded `EntryBatch.records` fields.
 */
export class EncodedBatch implements BatchHeader {
  readonly space: string;
  readonly segment: string;
  readonly firstSequence: number;
  readonly firstOffset: number;
  readonly count: number;
  readonly commitTimeMicros: number;
  readonly transactionId: string;
  readonly transactionNumber: number;
  /** The commit that wrote the batch, if the batch was read from the space log of a shared storage; otherwise 0. */
  commitId = 0n;
  #head: Uint8Array;
  #records: Uint8Array;
  #bytes: Uint8Array | undefined;

  constructor(
    space: string,
    header: BatchHeader,
    records: Uint8Array,
    encoded?: { head: Uint8Array; bytes: Uint8Array },
  ) {
    this.space = space;
    this.segment = header.segment;
    this.firstSequence = header.firstSequence;
    this.firstOffset = header.firstOffset;
    this.count = header.count;
    this.commitTimeMicros = header.commitTimeMicros;
    this.transactionId = header.transactionId;
    this.transactionNumber = header.transactionNumber;
    this.#records = records;
    this.#head = encoded?.head ?? encodeHead(space, header);
    this.#bytes = encoded?.bytes;
  }

  get lastSequence(): number {
    return this.firstSequence + this.count - 1;
  }

  get lastOffset(): number {
    return this.firstOffset + this.count - 1;
  }

  /** Length of the encoded message in bytes. */
  get byteLength(): number {
    return this.#head.length + this.#records.length;
  }

  /** The encoded message in two pieces, which storage can write without a copy. */
  get pieces(): readonly [head: Uint8Array, records: Uint8Array] {
    return [this.#head, this.#records];
  }

  /** The encoded message in one piece. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      this.#bytes = new Uint8Array(this.byteLength);
      this.#bytes.set(this.#head);
      this.#bytes.set(this.#records, this.#head.length);
      // Release the original pieces, so that memory holds a single copy.
      this.#records = this.#bytes.subarray(this.#head.length);
      this.#head = this.#bytes.subarray(0, this.#head.length);
    }
    return this.#bytes;
  }

  /**
   * Returns an equal batch that holds at most twice its own bytes in memory. The original may be a view of a much
   * larger buffer.
   */
  compact(): EncodedBatch {
    const held = this.#head.buffer === this.#records.buffer ? 0 : this.#head.buffer.byteLength;
    if (held + this.#records.buffer.byteLength <= 2 * this.byteLength) return this;
    const bytes = new Uint8Array(this.byteLength);
    bytes.set(this.#head);
    bytes.set(this.#records, this.#head.length);
    const head = bytes.subarray(0, this.#head.length);
    const copy = new EncodedBatch(this.space, this, bytes.subarray(this.#head.length), { head, bytes });
    copy.commitId = this.commitId;
    return copy;
  }

  /**
   * Returns the entries from index `from` up to but excluding index `to`, as a batch. Indexes count from 0.
   *
   * @throws RangeError for a part without records, or outside the batch; `to` may be larger if `from` is 0
   */
  slice(from: number, to: number): EncodedBatch {
    if (from === 0 && to >= this.count) return this;
    // A batch is never empty (SEG-015).
    if (!(from >= 0 && from < to && to <= this.count)) {
      throw new RangeError(`records ${from} to ${to} of a batch of ${this.count}; expected at least one of them`);
    }
    const reader = new WireReader(this.#records);
    let start = 0;
    for (let i = 0; i < to; i++) {
      if (i === from) start = reader.position;
      reader.tag();
      reader.skip();
    }
    const header = {
      segment: this.segment,
      firstSequence: this.firstSequence + from,
      firstOffset: this.firstOffset + from,
      count: to - from,
      commitTimeMicros: this.commitTimeMicros,
      transactionId: this.transactionId,
      transactionNumber: this.transactionNumber,
    };
    const part = new EncodedBatch(this.space, header, this.#records.subarray(start, reader.position));
    part.commitId = this.commitId;
    return part;
  }
}

/**
 * Reads the header of a stored EntryBatch. Counts the records without decoding them.
 *
 * @throws ServerError DATA_LOSS if the bytes are not a batch that this server stored
 */
export function parseBatch(bytes: Uint8Array): EncodedBatch {
  const header = {
    segment: "",
    firstSequence: 0,
    firstOffset: 0,
    count: 0,
    commitTimeMicros: 0,
    transactionId: "",
    transactionNumber: 0,
  };
  let space = "";
  try {
    const reader = new WireReader(bytes);
    let recordsStart = bytes.length;
    while (reader.more) {
      const start = reader.position;
      switch (reader.tag()) {
        case 1:
          space = decoder.decode(reader.bytes());
          break;
        case 2:
          header.segment = decoder.decode(reader.bytes());
          break;
        case 3:
          header.firstSequence = reader.varint();
          break;
        case 4:
          header.firstOffset = reader.varint();
          break;
        case 5:
          header.commitTimeMicros = parseTime(reader.bytes());
          break;
        case 6: {
          const transaction = new WireReader(reader.bytes());
          while (transaction.more) {
            const field = transaction.tag();
            if (field === 1) header.transactionId = decoder.decode(transaction.bytes());
            else if (field === 3) header.transactionId = idOf(header.transactionId, transaction.bytes());
            else header.transactionNumber = transaction.varint();
          }
          break;
        }
        case 7:
          if (header.count++ === 0) recordsStart = start;
          reader.skip();
          break;
        default:
          throw new WireFormatError(`unexpected field ${reader.field}`);
      }
    }
    return new EncodedBatch(space, header, bytes.subarray(recordsStart), {
      head: bytes.subarray(0, recordsStart),
      bytes,
    });
  } catch (cause) {
    throw dataLoss("a stored batch cannot be decoded", cause);
  }
}

function parseTime(bytes: Uint8Array): number {
  const reader = new WireReader(bytes);
  let micros = 0;
  while (reader.more) {
    const field = reader.tag();
    const value = reader.varint();
    micros += field === 1 ? value * 1_000_000 : Math.floor(value / 1_000);
  }
  return micros;
}

/** Encodes the fields of an EntryBatch before the records. The code is written by hand because every append uses it. */
function encodeHead(space: string, header: BatchHeader): Uint8Array {
  const spaceLength = utf8Length(space);
  const segmentLength = utf8Length(header.segment);
  const seconds = Math.floor(header.commitTimeMicros / 1_000_000);
  const nanos = (header.commitTimeMicros - seconds * 1_000_000) * 1_000;
  const timeLength = (seconds > 0 ? 1 + varintLength(seconds) : 0) + (nanos > 0 ? 1 + varintLength(nanos) : 0);
  const { transactionId } = header;
  const marked = transactionId.length > UUID_LENGTH ? partsOf(transactionId) : undefined;
  const uuid = marked?.uuid ?? transactionId;
  const writer = marked?.writer;
  const idLength = utf8Length(uuid);
  const writerLength = writer === undefined ? 0 : 2 + writer.length;
  const transactionLength = 2 + idLength + 1 + varintLength(header.transactionNumber) + writerLength;
  const buffer = new Uint8Array(
    // Tags and lengths of two names (at most 255 bytes), two positions, and two messages below 128 bytes.
    3 + spaceLength + 3 + segmentLength + 22 + 2 + timeLength + 2 + transactionLength,
  );
  let at = writeText(buffer, 0, 1, space, spaceLength);
  at = writeText(buffer, at, 2, header.segment, segmentLength);
  buffer[at++] = 3 << 3;
  at = writeVarint(buffer, at, header.firstSequence);
  buffer[at++] = 4 << 3;
  at = writeVarint(buffer, at, header.firstOffset);
  buffer[at++] = (5 << 3) | WIRE_LENGTH;
  buffer[at++] = timeLength;
  if (seconds > 0) {
    buffer[at++] = 1 << 3;
    at = writeVarint(buffer, at, seconds);
  }
  if (nanos > 0) {
    buffer[at++] = 2 << 3;
    at = writeVarint(buffer, at, nanos);
  }
  buffer[at++] = (6 << 3) | WIRE_LENGTH;
  buffer[at++] = transactionLength;
  at = writeText(buffer, at, 1, uuid, idLength);
  buffer[at++] = 2 << 3;
  at = writeVarint(buffer, at, header.transactionNumber);
  if (writer !== undefined) {
    buffer[at++] = (3 << 3) | WIRE_LENGTH;
    buffer[at++] = writer.length;
    buffer.set(writer, at);
    at += writer.length;
  }
  return buffer.subarray(0, at);
}
