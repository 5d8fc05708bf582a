import type { SegmentStatus as WireSegmentStatus, SpaceStatus as WireSpaceStatus } from "@streamkit/protocol";
import { timestampDate, timestampMicros } from "./time.ts";

/** Where a segment stands. Never written: all numbers 0. Emptied: firstSequence = lastSequence + 1. */
export interface SegmentStatus {
  readonly space: string;
  readonly segment: string;
  /** Sequence of the first retained entry. */
  readonly firstSequence: number;
  /** Commit time of the first retained entry; `undefined` when nothing is retained. */
  readonly firstTime: Date | undefined;
  /** The same in microseconds since 1970: exact, to be used as a bound of a read. */
  readonly firstTimeMicros: number | undefined;
  /** Sequence of the last entry ever appended. */
  readonly lastSequence: number;
  /** Commit time of the last retained entry; `undefined` when nothing is retained. */
  readonly lastTime: Date | undefined;
  /** The same in microseconds since 1970. */
  readonly lastTimeMicros: number | undefined;
  /** Offset, in the space, of the last entry ever appended to the segment. */
  readonly lastOffset: number;
}

/** Where a space stands. Never written: all numbers 0. */
export interface SpaceStatus {
  readonly space: string;
  /** No entry below this offset is retained. */
  readonly firstOffset: number;
  /** Offset of the last entry ever appended. */
  readonly lastOffset: number;
  /** Commit time of the last transaction; `undefined` when never written. */
  readonly lastTime: Date | undefined;
  /** The same in microseconds since 1970. */
  readonly lastTimeMicros: number | undefined;
  /** Number of segments that are listed. */
  readonly segmentCount: number;
}

/** Reads the message; an absent one is a segment that was never written. */
export function toSegmentStatus(space: string, segment: string, status: WireSegmentStatus | undefined): SegmentStatus {
  return {
    space: status?.space || space,
    segment: status?.segment || segment,
    firstSequence: Number(status?.firstSequence ?? 0n),
    firstTime: status?.firstTime && timestampDate(status.firstTime),
    firstTimeMicros: status?.firstTime && timestampMicros(status.firstTime),
    lastSequence: Number(status?.lastSequence ?? 0n),
    lastTime: status?.lastTime && timestampDate(status.lastTime),
    lastTimeMicros: status?.lastTime && timestampMicros(status.lastTime),
    lastOffset: Number(status?.lastOffset ?? 0n),
  };
}

/** Reads the message; an absent one is a space that was never written. */
export function toSpaceStatus(space: string, status: WireSpaceStatus | undefined): SpaceStatus {
  return {
    space: status?.space || space,
    firstOffset: Number(status?.firstOffset ?? 0n),
    lastOffset: Number(status?.lastOffset ?? 0n),
    lastTime: status?.lastTime && timestampDate(status.lastTime),
    lastTimeMicros: status?.lastTime && timestampMicros(status.lastTime),
    segmentCount: Number(status?.segmentCount ?? 0n),
  };
}
