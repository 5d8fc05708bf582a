import { WIRE_FIXED64, WIRE_VARINT, WireReader, writeVarint } from "@streamkit/protocol/wire";
import type { EncodedBatch } from "./batch.ts";
import { decodeWith, FRAME_BYTES, sealRow } from "./row-frame.ts";

/** The state of a space. Meaning and units: `streamkit.storage.v1.SpaceHead`. */
export interface SpaceHead {
  readonly lastOffset: number;
  readonly lastNumber: number;
  readonly lastTimeMicros: number;
  readonly segmentCount: number;
  readonly firstOffset: number;
  readonly deletedOffset: number;
  readonly changes: number;
  readonly incarnation: bigint;
}

/** Returns a number that rises with every commit of a space. */
export function revisionOf(head: SpaceHead): number {
  return head.lastNumber + head.changes;
}

/** The state of a segment. Meaning and units: `streamkit.storage.v1.SegmentHead`. */
export interface SegmentHead {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastOffset: number;
  readonly lastTimeMicros: number;
  readonly firstTimeMicros: number;
  readonly fencingToken: bigint;
  readonly unlisted: boolean;
  readonly reclaimedSequence: number;
}

/** The head of a space without a commit. */
export const NEW_SPACE: SpaceHead = {
  lastOffset: 0,
  lastNumber: 0,
  lastTimeMicros: 0,
  segmentCount: 0,
  firstOffset: 1,
  deletedOffset: 0,
  changes: 0,
  incarnation: 0n,
};

/** The head of a segment without a commit. */
export const NEW_SEGMENT: SegmentHead = {
  firstSequence: 1,
  lastSequence: 0,
  lastOffset: 0,
  lastTimeMicros: 0,
  firstTimeMicros: 0,
  fencingToken: 0n,
  unlisted: true,
  reclaimedSequence: 0,
};

/** Applies the deletion of a space to the stored head of one of its segments. Returns the head as readers see it. */
export function effectiveSegmentHead(segment: SegmentHead, space: SpaceHead): SegmentHead {
  if (segment.lastOffset > space.deletedOffset || segment.lastSequence === 0) return segment;
  return { ...segment, firstSequence: segment.lastSequence + 1, firstTimeMicros: 0, unlisted: true };
}

/**
 * Returns the head of a segment after an append.
 *
 * @param head head before the append
 * @param batch the appended batch
 */
export function headAfter(head: SegmentHead, batch: EncodedBatch): SegmentHead {
  return {
    ...head,
    lastSequence: batch.lastSequence,
    lastOffset: batch.lastOffset,
    lastTimeMicros: batch.commitTimeMicros,
    firstTimeMicros: head.firstSequence > head.lastSequence ? batch.commitTimeMicros : head.firstTimeMicros,
    unlisted: false,
  };
}

/** Most bytes of a head: eight fields of a tag byte and at most 10 bytes. */
const MAX_HEAD_BYTES = 8 * 11;

export function encodeSpaceHead(head: SpaceHead): Uint8Array[] {
  const row = Buffer.allocUnsafe(FRAME_BYTES + MAX_HEAD_BYTES);
  let at = writeNumber(row, FRAME_BYTES, 1, head.lastOffset);
  at = writeNumber(row, at, 2, head.lastNumber);
  at = writeNumber(row, at, 3, head.lastTimeMicros);
  at = writeNumber(row, at, 4, head.segmentCount);
  at = writeNumber(row, at, 5, head.firstOffset);
  at = writeNumber(row, at, 6, head.deletedOffset);
  at = writeNumber(row, at, 7, head.changes);
  if (head.incarnation !== 0n) {
    row[at++] = (8 << 3) | WIRE_FIXED64;
    at = row.writeBigUInt64LE(head.incarnation, at);
  }
  return sealRow(row.subarray(0, at));
}

export function decodeSpaceHead(value: Uint8Array, space: string): SpaceHead {
  return decodeWith(value, `head of space "${space}"`, parseSpaceHead);
}

function parseSpaceHead(bytes: Uint8Array): SpaceHead {
  const head = { ...NO_SPACE };
  const reader = new WireReader(bytes);
  while (reader.more) {
    const field = reader.tag();
    if (field === 1) head.lastOffset = numberOf(reader);
    else if (field === 2) head.lastNumber = numberOf(reader);
    else if (field === 3) head.lastTimeMicros = numberOf(reader);
    else if (field === 4) head.segmentCount = numberOf(reader);
    else if (field === 5) head.firstOffset = numberOf(reader);
    else if (field === 6) head.deletedOffset = numberOf(reader);
    else if (field === 7) head.changes = numberOf(reader);
    else if (field === 8) head.incarnation = fixed64Of(reader);
    else reader.skip();
  }
  return head;
}

export function encodeSegmentHead(head: SegmentHead): Uint8Array[] {
  const row = Buffer.allocUnsafe(FRAME_BYTES + MAX_HEAD_BYTES);
  let at = writeNumber(row, FRAME_BYTES, 1, head.firstSequence);
  at = writeNumber(row, at, 2, head.lastSequence);
  at = writeNumber(row, at, 3, head.lastOffset);
  at = writeNumber(row, at, 4, head.lastTimeMicros);
  at = writeNumber(row, at, 5, head.firstTimeMicros);
  if (head.fencingToken !== 0n) {
    row[at++] = 6 << 3;
    let rest = head.fencingToken;
    for (; rest >= 0x80n; rest >>= 7n) row[at++] = Number(rest & 0x7fn) | 0x80;
    row[at++] = Number(rest);
  }
  at = writeNumber(row, at, 7, head.unlisted ? 1 : 0);
  at = writeNumber(row, at, 8, head.reclaimedSequence);
  return sealRow(row.subarray(0, at));
}

export function decodeSegmentHead(value: Uint8Array, segment: string): SegmentHead {
  return decodeWith(value, `head of segment "${segment}"`, parseSegmentHead);
}

function parseSegmentHead(bytes: Uint8Array): SegmentHead {
  const head = { ...NO_SEGMENT };
  const reader = new WireReader(bytes);
  while (reader.more) {
    const field = reader.tag();
    if (field === 1) head.firstSequence = numberOf(reader);
    else if (field === 2) head.lastSequence = numberOf(reader);
    else if (field === 3) head.lastOffset = numberOf(reader);
    else if (field === 4) head.lastTimeMicros = numberOf(reader);
    else if (field === 5) head.firstTimeMicros = numberOf(reader);
    else if (field === 6) head.fencingToken = tokenOf(reader);
    else if (field === 7) head.unlisted = numberOf(reader) !== 0;
    else if (field === 8) head.reclaimedSequence = numberOf(reader);
    else reader.skip();
  }
  return head;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The messages with all fields absent. */
const NO_SPACE: Writable<SpaceHead> = { ...NEW_SPACE, firstOffset: 0 };
const NO_SEGMENT: Writable<SegmentHead> = { ...NEW_SEGMENT, firstSequence: 0, unlisted: false };

/** Writes a varint field. The encoding omits a value of 0. */
function writeNumber(row: Uint8Array, at: number, field: number, value: number): number {
  if (value === 0) return at;
  row[at] = field << 3;
  return writeVarint(row, at + 1, value);
}

function numberOf(reader: WireReader): number {
  reader.expect(WIRE_VARINT);
  return reader.varint();
}

function tokenOf(reader: WireReader): bigint {
  reader.expect(WIRE_VARINT);
  return reader.varint64();
}

function fixed64Of(reader: WireReader): bigint {
  reader.expect(WIRE_FIXED64);
  const { buffer, position } = reader;
  reader.skip();
  return new DataView(buffer.buffer, buffer.byteOffset + position, 8).getBigUint64(0, true);
}
