import { FieldWriter, fieldBytes } from "./field-writer.ts";
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

/** Room for the fields of a segment beside its name and its records. */
const CONDITION_BYTES = 32;

/**
 * Encodes one `streamkit.v1.SegmentAppend` record by record into one growing buffer. Message objects for each record
 * would limit the speed of bulk writes. The generated code would produce the same bytes.
 */
export class SegmentAppendEncoder extends FieldWriter {
  /** Number of records. */
  records = 0;
  /** Sum of the sizes of the records, as `recordSize` counts. */
  recordBytes = 0;

  /** Length of the fields before the first record. */
  readonly #headerLength: number;

  /** @param expectedBytes of all records */
  constructor(segment: string, conditions: SegmentConditions = {}, expectedBytes = 480) {
    const nameLength = utf8Length(segment);
    super(nameLength + CONDITION_BYTES + expectedBytes);
    if (nameLength > 0) this.text(TAG_SEGMENT, segment, nameLength);
    if (conditions.expectedLastSequence !== undefined) {
      this.uint64(TAG_EXPECTED_LAST_SEQUENCE, conditions.expectedLastSequence);
    }
    if (conditions.fencingToken !== undefined) this.uint64(TAG_FENCING_TOKEN, conditions.fencingToken);
    this.#headerLength = this.byteLength;
  }

  /** Length of the encoding of the records alone, which `maxTransactionEncodedBytes` limits. */
  get recordsByteLength(): number {
    return this.byteLength - this.#headerLength;
  }

  /** Appends one record of `size` bytes as `recordSize` counts. */
  add(record: EncodedRecord, size: number = recordSize(record)): void {
    const { payload, metadata } = record;
    let length = payload.length === 0 ? 0 : fieldBytes(payload.length);
    for (const name in metadata) length += fieldBytes(entryLength(utf8Length(name), utf8Length(metadata[name])));
    this.begin(TAG_RECORD, length);
    if (payload.length > 0) this.bytes(TAG_PAYLOAD, payload);
    for (const name in metadata) {
      const nameLength = utf8Length(name);
      const valueLength = utf8Length(metadata[name]);
      this.begin(TAG_METADATA, entryLength(nameLength, valueLength));
      this.text(TAG_KEY, name, nameLength);
      this.text(TAG_VALUE, metadata[name], valueLength);
    }
    this.records += 1;
    this.recordBytes += size;
  }
}

function entryLength(nameLength: number, valueLength: number): number {
  return fieldBytes(nameLength) + fieldBytes(valueLength);
}
