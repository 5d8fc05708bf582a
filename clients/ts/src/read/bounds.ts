import { LIMITS } from "@streamkit/protocol";
import {
  type ChecksOf,
  callback,
  flag,
  heartbeat,
  position,
  positionsBySpace,
  signal,
  text,
  time,
} from "../options.ts";
import type { Position, SpaceOffsets } from "../position.ts";
import type { ReadState } from "../state.ts";
import type { TimeInput } from "../time.ts";

/** What every read understands. */
export interface ReadOptions<P = number> {
  /** Earliest commit time wanted. */
  readonly minTime?: TimeInput;
  /** Latest commit time wanted. With `follow`, the read ends at the first entry after it. */
  readonly maxTime?: TimeInput;
  /** Most entries wanted. The read ends after them, also with `follow`. Default: no limit. */
  readonly limit?: Position;
  /** Keeps the read open at the head and delivers what is committed later. Default false: the read ends at the head. */
  readonly follow?: boolean;
  /** With `follow`: how often the server shows that it lives, in milliseconds: 100 to 3,600,000. Default 15,000. */
  readonly heartbeatInterval?: number;
  /** Ends the read with `CANCELED`, and frees its connection at once. */
  readonly signal?: AbortSignal;
  /**
   * Called each time the read catches up with the head, after the entries before it were taken: at first, and again
   * whenever it had fallen behind.
   */
  readonly onCaughtUp?: () => void;
  /**
   * Told of each new state: `connecting`, `live`, `caughtUp`, `beyondHead`, `retrying` with the reason and the pause,
   * `ended` with the reason. What the function throws ends the read. With it, a read that starts at a position and
   * finds nothing there asks the server once per connection where the head is.
   */
  readonly onStateChange?: (state: ReadState<P>) => void;
}

/** Bounds of a read of one segment. All inclusive; absent = unbounded. */
export interface SegmentReadOptions extends ReadOptions {
  /** First sequence wanted. Where it is no longer retained, the read starts at the first one that is. */
  readonly minSequence?: Position;
  /** Last sequence wanted. With `follow`, the read ends after it. */
  readonly maxSequence?: Position;
  /** Starts this many entries before the end, as of the call: 10 means the latest ten. */
  readonly last?: Position;
}

/** Bounds of a read of one space. All inclusive; absent = unbounded. */
export interface SpaceReadOptions extends ReadOptions {
  /** First offset wanted. */
  readonly minOffset?: Position;
  /** Last offset wanted. With `follow`, the read ends after it. */
  readonly maxOffset?: Position;
  /** Starts this many offsets before the end, as of the call. With `segmentPrefix` fewer entries may come. */
  readonly last?: Position;
  /** Only entries of segments whose name starts so. */
  readonly segmentPrefix?: string;
}

/** Bounds of a merged read of several spaces. */
export interface MergedReadOptions extends ReadOptions<SpaceOffsets> {
  /** Space name -> first offset wanted; 0 = from the beginning. 1 to 64 spaces. */
  readonly spaces: Readonly<Record<string, Position>> | ReadonlyMap<string, Position>;
}

const READ_OPTIONS = {
  minTime: time,
  maxTime: time,
  limit: position,
  heartbeatInterval: heartbeat,
  signal,
  onCaughtUp: callback,
  onStateChange: callback,
} satisfies ChecksOf<Omit<ReadOptions, "follow">>;

export const SEGMENT_FOLLOW_OPTIONS = {
  ...READ_OPTIONS,
  minSequence: position,
  maxSequence: position,
  last: position,
} satisfies ChecksOf<Omit<SegmentReadOptions, "follow">>;

export const SPACE_FOLLOW_OPTIONS = {
  ...READ_OPTIONS,
  minOffset: position,
  maxOffset: position,
  last: position,
  segmentPrefix: text,
} satisfies ChecksOf<Omit<SpaceReadOptions, "follow">>;

export const MERGED_FOLLOW_OPTIONS = {
  ...READ_OPTIONS,
  spaces: positionsBySpace(LIMITS.maxConsumeSpaces),
} satisfies ChecksOf<Omit<MergedReadOptions, "follow">>;

export const SEGMENT_READ_OPTIONS = { ...SEGMENT_FOLLOW_OPTIONS, follow: flag };
export const SPACE_READ_OPTIONS = { ...SPACE_FOLLOW_OPTIONS, follow: flag };
export const MERGED_READ_OPTIONS = { ...MERGED_FOLLOW_OPTIONS, follow: flag };
