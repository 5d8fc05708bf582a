import { isUtf8 } from "node:buffer";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ErrorReason, LIMITS, RecordSchema } from "@streamkit/protocol";
import {
  varintLength,
  WIRE_LENGTH,
  WIRE_VARINT,
  WireFormatError,
  WireReader,
  writeVarint,
} from "@streamkit/protocol/wire";
import { type FieldViolation, invalidField, invalidFields, ServerError } from "../../errors.ts";
import { nameViolation } from "../names.ts";
import { RECORDS_TAG } from "../rows/batch.ts";

/** One checked `streamkit.v1.SegmentAppend` whose records are still encoded. */
export interface SegmentAppend {
  readonly segment: string;
  readonly expectedLastSequence: bigint | undefined;
  readonly fencingToken: bigint | undefined;
  /** A run of encoded `records` fields, valid in an EntryBatch without a change. */
  readonly records: Uint8Array;
  readonly count: number;
  /** Sum of the record sizes as the limits count them: payload, metadata keys and values. */
  readonly size: number;
}

/** Most labels of a transaction: an encoded label has at least 6 bytes. */
export const MAX_LABELS = Math.floor(LIMITS.maxTransactionEncodedBytes / 6);

/** Counts elements over all segments of one transaction, and stops the parser at the first element too many. */
export class ElementBudget {
  #records = 0;
  #labels = 0;

  record(): void {
    if (++this.#records > LIMITS.maxTransactionRecords) throw tooMany("records", LIMITS.maxTransactionRecords);
  }

  label(): void {
    if (++this.#labels > MAX_LABELS) throw tooMany("labels", MAX_LABELS);
  }
}

function tooMany(what: string, limit: number): ServerError {
  const description = `more than ${limit} ${what} in one transaction; at most ${limit} are allowed`;
  return new ServerError(ErrorReason.TRANSACTION_TOO_LARGE, description, {
    fieldViolations: [{ field: "appends", description }],
  });
}

const EMPTY = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads an encoded SegmentAppend and checks everything that needs no store. The parser skims records without decoding
 * them: the stored block gets their bytes unchanged.
 *
 * The result keeps at most about twice the size of its records in memory, however large the buffer around `bytes` is.
 *
 * @param path of the message in the request, for errors: "appends[0]"
 * @param budget shared by all segments of the transaction
 * @throws ServerError INVALID_FIELD, RECORD_TOO_LARGE, TRANSACTION_TOO_LARGE
 */
export function parseSegmentAppend(bytes: Uint8Array, path: string, budget = new ElementBudget()): SegmentAppend {
  try {
    return parse(bytes, path, budget);
  } catch (error) {
    if (error instanceof WireFormatError) throw invalidField(path, `cannot be decoded: ${error.message}`);
    throw error;
  }
}

/**
 * Returns the segment that `parseSegmentAppend` finds, without a check of the rest. Returns "" for bytes that cannot be
 * decoded.
 */
export function segmentOf(bytes: Uint8Array): string {
  let segment = "";
  try {
    for (const reader = new WireReader(bytes); reader.more; ) {
      if (reader.tag() === 1) {
        reader.expect(WIRE_LENGTH);
        segment = decoder.decode(reader.bytes());
      } else reader.skip();
    }
    return segment;
  } catch {
    return "";
  }
}

/**
 * Checks a run of encoded `EntryBatch.records` that another program may have written.
 *
 * @throws ServerError INVALID_FIELD, RECORD_TOO_LARGE, TRANSACTION_TOO_LARGE, also for an encoding that an append would
 * have changed
 */
export function checkRecords(segment: string, records: Uint8Array): void {
  const budget = new ElementBudget();
  const reader = new WireReader(records);
  for (let index = 0; reader.more; index++) {
    if (reader.tag() !== 7) throw invalidField(segment, `has an unknown field ${reader.field} among its records`);
    reader.expect(WIRE_LENGTH);
    budget.record();
    const end = reader.length() + reader.position;
    const size = recordSizeOf(records, reader.position, end, budget);
    if (size < 0) throw invalidField(segment, `has a record that cannot be decoded, at index ${index} of its batch`);
    if (size > LIMITS.maxRecordBytes) {
      const description = `a record has ${size} bytes; at most ${LIMITS.maxRecordBytes} are allowed`;
      throw new ServerError(ErrorReason.RECORD_TOO_LARGE, description, { segment });
    }
    reader.position = end;
  }
}

function parse(bytes: Uint8Array, path: string, budget: ElementBudget): SegmentAppend {
  let segment = "";
  let expectedLastSequence: bigint | undefined;
  let fencingToken: bigint | undefined;
  let count = 0;
  let size = 0;
  const runs = new RecordRuns(bytes);
  const violations: FieldViolation[] = [];
  const reader = new WireReader(bytes);
  while (reader.more) {
    const start = reader.position;
    switch (reader.tag()) {
      case 1:
        reader.expect(WIRE_LENGTH);
        segment = decodeText(reader.bytes(), `${path}.segment`, violations);
        break;
      case 2:
        reader.expect(WIRE_VARINT);
        expectedLastSequence = reader.varint64();
        break;
      case 3:
        reader.expect(WIRE_VARINT);
        fencingToken = reader.varint64();
        break;
      case 7: {
        reader.expect(WIRE_LENGTH);
        budget.record();
        const length = reader.length();
        const end = reader.position + length;
        let recordSize = recordSizeOf(bytes, reader.position, end, budget);
        if (recordSize >= 0) {
          runs.keep(start, end);
        } else {
          // Unknown fields, or an encoding that repeats a field: store the meaning of the message in its plain
          // encoding.
          const record = bytes.subarray(reader.position, end);
          const canonical = canonicalRecord(record, `${path}.records[${count}]`, budget, violations);
          recordSize = recordSizeOf(canonical, 0, canonical.length);
          runs.replace(canonical);
        }
        if (recordSize > LIMITS.maxRecordBytes) {
          throw new ServerError(
            ErrorReason.RECORD_TOO_LARGE,
            `${path}.records[${count}] has ${recordSize} bytes; at most ${LIMITS.maxRecordBytes} are allowed`,
            {
              segment,
              fieldViolations: [{ field: `${path}.records[${count}]`, description: `has ${recordSize} bytes` }],
            },
          );
        }
        reader.position = end;
        size += recordSize;
        count++;
        break;
      }
      default:
        reader.skip();
    }
  }
  const nameProblem = nameViolation(segment, `${path}.segment`);
  if (nameProblem !== undefined && !violations.some(({ field }) => field === nameProblem.field)) {
    violations.push(nameProblem);
  }
  if (count === 0 && expectedLastSequence === undefined && fencingToken === undefined) {
    const description = "has neither records nor a condition; expected at least one of them";
    violations.push({ field: path, description });
  }
  if (violations.length > 0) throw invalidFields(violations);
  return { segment, expectedLastSequence, fencingToken, records: runs.join(), count, size };
}

/**
 * Size of an encoded Record as the limits count it. Returns -1 when the encoding has unknown or repeated fields, or is
 * invalid.
 */
function recordSizeOf(bytes: Uint8Array, start: number, end: number, budget?: ElementBudget): number {
  const reader = new WireReader(bytes, start, end);
  let size = 0;
  let payloads = 0;
  let keys: Set<string> | undefined;
  while (reader.more) {
    const field = reader.tag();
    if (reader.wireType !== WIRE_LENGTH) return -1;
    if (field === 1) {
      if (++payloads > 1) return -1;
      const length = reader.length();
      reader.position += length;
      size += length;
    } else if (field === 2) {
      budget?.label();
      const entryEnd = reader.length() + reader.position;
      const entry = new WireReader(bytes, reader.position, entryEnd);
      let key: Uint8Array = EMPTY;
      for (let expected = 1; entry.more; expected++) {
        if (entry.tag() !== expected || entry.wireType !== WIRE_LENGTH || expected > 2) return -1;
        const text = entry.bytes();
        if (!isUtf8(text)) return -1;
        if (expected === 1) key = text;
        size += text.length;
      }
      const name = decoder.decode(key);
      keys ??= new Set();
      if (keys.has(name)) return -1;
      keys.add(name);
      reader.position = entryEnd;
    } else {
      return -1;
    }
  }
  return size;
}

function canonicalRecord(
  bytes: Uint8Array,
  field: string,
  budget: ElementBudget,
  violations: FieldViolation[],
): Uint8Array {
  // Labels that replace each other cost an object each, too.
  for (const reader = new WireReader(bytes); reader.more; reader.skip()) if (reader.tag() === 2) budget.label();
  try {
    return toBinary(RecordSchema, fromBinary(RecordSchema, bytes, { readUnknownFields: false }));
  } catch (cause) {
    const description = `cannot be decoded: ${cause instanceof Error ? cause.message : String(cause)}`;
    violations.push({ field, description });
    return EMPTY;
  }
}

function decodeText(bytes: Uint8Array, field: string, violations: FieldViolation[]): string {
  try {
    return decoder.decode(bytes);
  } catch {
    violations.push({ field, description: "is not valid UTF-8" });
    return "";
  }
}

/** The same bytes; copied if the view covers less than half of the buffer that it keeps in memory. */
function compact(view: Uint8Array): Uint8Array {
  return view.length * 2 < view.buffer.byteLength ? new Uint8Array(view) : view;
}

/** Collects the encoded records of a message: one view in the usual case of adjacent records. */
class RecordRuns {
  readonly #bytes: Uint8Array;
  readonly #pieces: Uint8Array[] = [];
  #start = 0;
  #end = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  keep(start: number, end: number): void {
    if (start !== this.#end) {
      this.#flush();
      this.#start = start;
    }
    this.#end = end;
  }

  replace(record: Uint8Array): void {
    this.#flush();
    const head = new Uint8Array(1 + varintLength(record.length));
    head[0] = RECORDS_TAG;
    writeVarint(head, 1, record.length);
    this.#pieces.push(head, record);
  }

  join(): Uint8Array {
    if (this.#pieces.length === 0) return compact(this.#bytes.subarray(this.#start, this.#end));
    this.#flush();
    return Buffer.concat(this.#pieces);
  }

  #flush(): void {
    if (this.#end > this.#start) this.#pieces.push(this.#bytes.subarray(this.#start, this.#end));
    this.#start = this.#end = -1;
  }
}
