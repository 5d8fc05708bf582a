import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { SegmentHeadSchema, SpaceHeadSchema } from "@streamkit/protocol/storage";
import type { EncodedBatch } from "./batch.ts";
import { decodeWith, frameRow } from "./row-frame.ts";

/** Where a space stands. Meaning and units: `streamkit.storage.v1.SpaceHead`. */
export interface SpaceHead {
  readonly lastOffset: number;
  readonly lastNumber: number;
  readonly lastTime: number;
  readonly segmentCount: number;
  readonly firstOffset: number;
  readonly deletedOffset: number;
  readonly changes: number;
  readonly incarnation: bigint;
}

/** A number that rises with every commit of a space. */
export function revisionOf(head: SpaceHead): number {
  return head.lastNumber + head.changes;
}

/** Where a segment stands. Meaning and units: `streamkit.storage.v1.SegmentHead`. */
export interface SegmentHead {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastOffset: number;
  readonly lastTime: number;
  readonly firstTime: number;
  readonly fencingToken: bigint;
  readonly unlisted: boolean;
  readonly reclaimedSequence: number;
}

/** A space that was never written. */
export const NEW_SPACE: SpaceHead = {
  lastOffset: 0,
  lastNumber: 0,
  lastTime: 0,
  segmentCount: 0,
  firstOffset: 1,
  deletedOffset: 0,
  changes: 0,
  incarnation: 0n,
};

/** A segment that was never written. */
export const NEW_SEGMENT: SegmentHead = {
  firstSequence: 1,
  lastSequence: 0,
  lastOffset: 0,
  lastTime: 0,
  firstTime: 0,
  fencingToken: 0n,
  unlisted: true,
  reclaimedSequence: 0,
};

/** A segment that is emptied because its space was deleted, as it looks from now on. */
export function effectiveSegmentHead(segment: SegmentHead, space: SpaceHead): SegmentHead {
  if (segment.lastOffset > space.deletedOffset || segment.lastSequence === 0) return segment;
  return { ...segment, firstSequence: segment.lastSequence + 1, firstTime: 0, unlisted: true };
}

/** The head of a segment after the batch that follows it was appended. */
export function headAfter(head: SegmentHead, batch: EncodedBatch): SegmentHead {
  return {
    ...head,
    lastSequence: batch.lastSequence,
    lastOffset: batch.lastOffset,
    lastTime: batch.commitTime,
    firstTime: head.firstSequence > head.lastSequence ? batch.commitTime : head.firstTime,
    unlisted: false,
  };
}

export function encodeSpaceHead(head: SpaceHead): Uint8Array[] {
  const message = create(SpaceHeadSchema, {
    lastOffset: BigInt(head.lastOffset),
    lastNumber: BigInt(head.lastNumber),
    lastTime: BigInt(head.lastTime),
    segmentCount: BigInt(head.segmentCount),
    firstOffset: BigInt(head.firstOffset),
    deletedOffset: BigInt(head.deletedOffset),
    changes: BigInt(head.changes),
    incarnation: head.incarnation,
  });
  return frameRow([toBinary(SpaceHeadSchema, message)]);
}

export function decodeSpaceHead(value: Uint8Array, space: string): SpaceHead {
  const message = decodeWith(value, `head of space "${space}"`, (bytes) => fromBinary(SpaceHeadSchema, bytes));
  return {
    lastOffset: Number(message.lastOffset),
    lastNumber: Number(message.lastNumber),
    lastTime: Number(message.lastTime),
    segmentCount: Number(message.segmentCount),
    firstOffset: Number(message.firstOffset),
    deletedOffset: Number(message.deletedOffset),
    changes: Number(message.changes),
    incarnation: message.incarnation,
  };
}

export function encodeSegmentHead(head: SegmentHead): Uint8Array[] {
  const message = create(SegmentHeadSchema, {
    firstSequence: BigInt(head.firstSequence),
    lastSequence: BigInt(head.lastSequence),
    lastOffset: BigInt(head.lastOffset),
    lastTime: BigInt(head.lastTime),
    firstTime: BigInt(head.firstTime),
    fencingToken: head.fencingToken,
    unlisted: head.unlisted,
    reclaimedSequence: BigInt(head.reclaimedSequence),
  });
  return frameRow([toBinary(SegmentHeadSchema, message)]);
}

export function decodeSegmentHead(value: Uint8Array, segment: string): SegmentHead {
  const message = decodeWith(value, `head of segment "${segment}"`, (bytes) => fromBinary(SegmentHeadSchema, bytes));
  return {
    firstSequence: Number(message.firstSequence),
    lastSequence: Number(message.lastSequence),
    lastOffset: Number(message.lastOffset),
    lastTime: Number(message.lastTime),
    firstTime: Number(message.firstTime),
    fencingToken: message.fencingToken,
    unlisted: message.unlisted,
    reclaimedSequence: Number(message.reclaimedSequence),
  };
}
