import type { SegmentStatus as WireSegmentStatus, SpaceStatus as WireSpaceStatus } from "@streamkit/protocol";
import { timestampDate, timestampMicros } from "./time.ts";

/**
 * The first and last positions of a segment. All numbers are 0 for a segment without any append. `firstSequence` is
 * `lastSequence + 1` for a segment whose entries were all removed.
 */
export interface SegmentStatus {
  readonly space: string;
  readonly segment: string;
  /** Sequence of the first retained entry. */
  readonly firstSequence: number;
  /** Commit time of the first retained entry; `undefined` if the segment retains none. */
  readonly firstTime: Date | undefined;
  /** `firstTime` in microseconds since 1970, exact enough to be a bound of a read. */
  readonly firstTimeMicros: number | undefined;
  /** Sequence of the last entry ever appended. */
  readonly lastSequence: number;
  /** Commit time of the last retained entry; `undefined` if the segment retains none. */
  readonly lastTime: Date | undefined;
  /** `lastTime` in microseconds since 1970. */
  readonly lastTimeMicros: number | undefined;
  /** Offset, in the space, of the last entry ever appended to the segment. */
  readonly lastOffset: number;
}

/** The first and last positions of a space. All numbers are 0 for a space without any append. */
export interface SpaceStatus {
  readonly space: string;
  /** Offset below which the space retains no entry. */
  readonly firstOffset: number;
  /** Offset of the last entry ever appended. */
  readonly lastOffset: number;
  /** Commit time of the last transaction; `undefined` for a space without any append. */
  readonly lastTime: Date | undefined;
  /** `lastTime` in microseconds since 1970. */
  readonly lastTimeMicros: number | undefined;
  /** Number of segments that `listSegments` lists. */
  readonly segmentCount: number;
}

/** Reads the message. An absent message stands for a segment without any append. */
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

/** Reads the message. An absent message stands for a space without any append. */
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
