import { toBinary } from "@bufbuild/protobuf";
import { type AppendRange, type AppendResponse, AppendResponseSchema } from "@streamkit/protocol";
import { varintLength, WIRE_LENGTH, WIRE_VARINT, writeVarint } from "@streamkit/protocol/wire";
import { utf8Length, writeText } from "../engine/rows/text-field.ts";

const TAG_TRANSACTION = (1 << 3) | WIRE_LENGTH;
const TAG_COMMIT_TIME = (2 << 3) | WIRE_LENGTH;
const TAG_RANGES = (3 << 3) | WIRE_LENGTH;
const TAG_DEDUPLICATED = (4 << 3) | WIRE_VARINT;

/**
 * Encodes the answer of an append into one buffer of the right size. The bytes are those of the generated code, which
 * walks over the schema and grows its buffers: a twentieth of the time of an append without a transport.
 */
export function encodeAppendResponse(message: AppendResponse): Uint8Array {
  const { transaction, commitTime, ranges, deduplicated } = message;
  if (transaction === undefined || commitTime === undefined || commitTime.seconds < 0n) {
    return toBinary(AppendResponseSchema, message);
  }
  const number = Number(transaction.number);
  const seconds = Number(commitTime.seconds);
  const idLength = utf8Length(transaction.id);
  const transactionLength = textLength(idLength) + numberLength(number);
  const timeLength = numberLength(seconds) + numberLength(commitTime.nanos);
  const segments = ranges.map(({ segment }) => utf8Length(segment));
  let length = messageLength(transactionLength) + messageLength(timeLength) + (deduplicated ? 2 : 0);
  for (const [index, range] of ranges.entries()) length += messageLength(rangeLength(range, segments[index]));

  const bytes = new Uint8Array(length);
  let at = begin(bytes, 0, TAG_TRANSACTION, transactionLength);
  if (idLength > 0) at = writeText(bytes, at, 1, transaction.id, idLength);
  at = writeNumber(bytes, at, 2, number);
  at = begin(bytes, at, TAG_COMMIT_TIME, timeLength);
  at = writeNumber(bytes, at, 1, seconds);
  at = writeNumber(bytes, at, 2, commitTime.nanos);
  for (const [index, range] of ranges.entries()) {
    at = begin(bytes, at, TAG_RANGES, rangeLength(range, segments[index]));
    if (segments[index] > 0) at = writeText(bytes, at, 1, range.segment, segments[index]);
    at = writeNumber(bytes, at, 2, Number(range.firstSequence));
    at = writeNumber(bytes, at, 3, Number(range.lastSequence));
    at = writeNumber(bytes, at, 4, Number(range.firstOffset));
  }
  if (deduplicated) bytes.set([TAG_DEDUPLICATED, 1], at);
  return bytes;
}

function rangeLength({ firstSequence, lastSequence, firstOffset }: AppendRange, segmentLength: number): number {
  const numbers = numberLength(Number(firstSequence)) + numberLength(Number(lastSequence));
  return textLength(segmentLength) + numbers + numberLength(Number(firstOffset));
}

/** Length of a field with a message of so many bytes. */
function messageLength(length: number): number {
  return 1 + varintLength(length) + length;
}

/** Length of a field with a text of so many bytes; empty ones are left out. */
function textLength(length: number): number {
  return length === 0 ? 0 : messageLength(length);
}

function numberLength(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value);
}

function begin(bytes: Uint8Array, at: number, tag: number, length: number): number {
  bytes[at] = tag;
  return writeVarint(bytes, at + 1, length);
}

function writeNumber(bytes: Uint8Array, at: number, field: number, value: number): number {
  if (value === 0) return at;
  bytes[at] = (field << 3) | WIRE_VARINT;
  return writeVarint(bytes, at + 1, value);
}
