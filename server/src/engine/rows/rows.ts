import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChangeNoteSchema, CommittedTransactionSchema, PendingReclaimSchema } from "@streamkit/protocol/storage";
import { varintLength, WIRE_FIXED64, WIRE_LENGTH, WireReader, writeVarint } from "@streamkit/protocol/wire";
import { type EncodedBatch, parseBatch } from "./batch.ts";
import { decodeWith, frameRow, type RowCompression } from "./row-frame.ts";

/** The result of a transaction. Times are microseconds since 1970. */
export interface CommittedTransaction {
  readonly number: number;
  readonly commitTimeMicros: number;
  readonly ranges: readonly CommittedRange[];
  /** The commit that wrote the transaction; 0 if it is unknown. */
  readonly commitId: bigint;
}

/**
 * The position of one segment's records. Without records, the range is last_sequence + 1, last_sequence and offset 0.
 */
export interface CommittedRange {
  readonly segment: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: number;
}

/** A reference to the block that stores a large batch. */
export interface BlockRef {
  readonly segment: string;
  readonly lastSequence: number;
  readonly firstOffset: number;
  readonly count: number;
  /** Length of the encoded batch in bytes; 0 if it is unknown. */
  readonly bytes: number;
}

/**
 * One row of the space log: batches, references, or neither (a hole). It covers the offsets from firstOffset to the
 * offset in its key.
 */
export interface SpaceBlock {
  readonly firstOffset: number;
  readonly batches: readonly EncodedBatch[];
  readonly refs: readonly BlockRef[];
  /** The commit that wrote the row; 0 if it is unknown. */
  readonly commitId: bigint;
}

/** The changes of a commit other than appends. */
export interface ChangeNote {
  /** Segments whose status changed in a way that their entries do not show. */
  readonly segments: readonly string[];
  /** Segments whose heads changed in fields that no status shows. */
  readonly heads: readonly string[];
  /** True if all segments may have changed. */
  readonly everything: boolean;
  /** True if the commit removed entries, or rows of entries that were removed before. */
  readonly removed: boolean;
}

/** One row of a segment's log. */
export interface SegmentBlock {
  readonly firstSequence: number;
  readonly batches: readonly EncodedBatch[];
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function encodeCommittedTransaction(transaction: CommittedTransaction): Uint8Array[] {
  const message = create(CommittedTransactionSchema, {
    number: BigInt(transaction.number),
    commitTime: BigInt(transaction.commitTimeMicros),
    commitId: transaction.commitId,
    ranges: transaction.ranges.map((range) => ({
      segment: range.segment,
      firstSequence: BigInt(range.firstSequence),
      lastSequence: BigInt(range.lastSequence),
      firstOffset: BigInt(range.firstOffset),
    })),
  });
  return frameRow([toBinary(CommittedTransactionSchema, message)]);
}

export function decodeCommittedTransaction(value: Uint8Array): CommittedTransaction {
  const message = decodeWith(value, "remembered transaction", (bytes) => fromBinary(CommittedTransactionSchema, bytes));
  return {
    number: Number(message.number),
    commitTimeMicros: Number(message.commitTime),
    commitId: message.commitId,
    ranges: message.ranges.map((range) => ({
      segment: range.segment,
      firstSequence: Number(range.firstSequence),
      lastSequence: Number(range.lastSequence),
      firstOffset: Number(range.firstOffset),
    })),
  };
}

export function encodePendingReclaim(throughSequence: number): Uint8Array[] {
  const message = create(PendingReclaimSchema, { throughSequence: BigInt(throughSequence) });
  return frameRow([toBinary(PendingReclaimSchema, message)]);
}

export function encodeChangeNote({ segments, heads, everything, removed }: ChangeNote): Uint8Array[] {
  const message = create(ChangeNoteSchema, { segments: [...segments], heads: [...heads], everything, removed });
  return frameRow([toBinary(ChangeNoteSchema, message)]);
}

export function decodeChangeNote(value: Uint8Array): ChangeNote {
  return decodeWith(value, "note of a change", (bytes) => fromBinary(ChangeNoteSchema, bytes));
}

export function encodeSegmentBlock(batches: readonly EncodedBatch[], compression: RowCompression): Uint8Array[] {
  return frameRow(blockPieces(batches[0].firstSequence, batches, 0n), compression);
}

export function decodeSegmentBlock(value: Uint8Array, segment: string): SegmentBlock {
  const what = `block of segment "${segment}"`;
  const block = decodeWith(value, what, parseBlock);
  return { firstSequence: block.first, batches: block.batches };
}

/** Encodes a row of the space log that contains its entries. Without batches, the row is a hole. */
export function encodeSpaceBlock(
  firstOffset: number,
  batches: readonly EncodedBatch[],
  commitId: bigint,
  compression: RowCompression,
): Uint8Array[] {
  return frameRow(blockPieces(firstOffset, batches, commitId), compression);
}

/** Encodes a row of the space log that refers to segment blocks. */
export function encodeSpaceRefs(firstOffset: number, refs: readonly BlockRef[], commitId: bigint): Uint8Array[] {
  const pieces = blockPieces(firstOffset, [], commitId);
  for (const ref of refs) {
    const name = Buffer.from(ref.segment);
    const buffer = new Uint8Array(name.length + 50);
    buffer[0] = (1 << 3) | WIRE_LENGTH;
    let at = writeVarint(buffer, 1, name.length);
    buffer.set(name, at);
    at += name.length;
    buffer[at++] = 2 << 3;
    at = writeVarint(buffer, at, ref.lastSequence);
    buffer[at++] = 3 << 3;
    at = writeVarint(buffer, at, ref.firstOffset);
    buffer[at++] = 4 << 3;
    at = writeVarint(buffer, at, ref.count);
    if (ref.bytes > 0) {
      buffer[at++] = 5 << 3;
      at = writeVarint(buffer, at, ref.bytes);
    }
    pieces.push(fieldHead(3, at), buffer.subarray(0, at));
  }
  return frameRow(pieces);
}

export function decodeSpaceBlock(value: Uint8Array, space: string): SpaceBlock {
  const block = decodeWith(value, `block of space "${space}"`, parseBlock);
  const { first, batches, refs, commitId } = block;
  for (const batch of batches) batch.commitId = commitId;
  return { firstOffset: first, batches, refs, commitId };
}

/**
 * Encodes the fields that SegmentBlock and SpaceBlock share: the first position, the commit (field 4, SpaceBlock only),
 * then batches (field 1).
 */
function blockPieces(first: number, batches: readonly EncodedBatch[], commitId: bigint): Uint8Array[] {
  const pieces: Uint8Array[] = [fixed64Field(2, BigInt(first))];
  if (commitId !== 0n) pieces.push(fixed64Field(4, commitId));
  for (const batch of batches) pieces.push(fieldHead(1, batch.byteLength), ...batch.pieces);
  return pieces;
}

function fixed64Field(field: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = (field << 3) | WIRE_FIXED64;
  new DataView(bytes.buffer).setBigUint64(1, value, true);
  return bytes;
}

function parseBlock(bytes: Uint8Array) {
  const reader = new WireReader(bytes);
  const block = { first: 0, batches: [] as EncodedBatch[], refs: [] as BlockRef[], commitId: 0n };
  const fixed64 = () => {
    const at = reader.position;
    reader.skip();
    return new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigUint64(0, true);
  };
  while (reader.more) {
    switch (reader.tag()) {
      case 1:
        block.batches.push(parseBatch(reader.bytes()));
        break;
      case 2:
        block.first = Number(fixed64());
        break;
      case 3:
        block.refs.push(parseRef(reader.bytes()));
        break;
      case 4:
        block.commitId = fixed64();
        break;
      default:
        reader.skip();
    }
  }
  return block;
}

function parseRef(bytes: Uint8Array): BlockRef {
  const reader = new WireReader(bytes);
  let segment = "";
  const numbers = [0, 0, 0, 0, 0, 0];
  while (reader.more) {
    const field = reader.tag();
    if (field === 1) segment = decoder.decode(reader.bytes());
    else if (field <= 5) numbers[field] = reader.varint();
    else reader.skip();
  }
  return { segment, lastSequence: numbers[2], firstOffset: numbers[3], count: numbers[4], bytes: numbers[5] };
}

function fieldHead(field: number, length: number): Uint8Array {
  const head = new Uint8Array(1 + varintLength(length));
  head[0] = (field << 3) | WIRE_LENGTH;
  writeVarint(head, 1, length);
  return head;
}
