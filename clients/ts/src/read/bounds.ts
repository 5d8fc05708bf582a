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

/** Options of all reads. */
export interface ReadOptions<P = number> {
  /** Earliest commit time, inclusive. Default: no bound. */
  readonly minTime?: TimeInput;
  /**
   * Latest commit time, inclusive. With `follow`, the read ends at the first later entry; a read of several spaces ends
   * once every space has a later entry. Default: no bound.
   */
  readonly maxTime?: TimeInput;
  /** Most entries of the read, which ends after them, also with `follow`. Default: no limit. */
  readonly limit?: Position;
  /** True to keep the read open at the head and to deliver later commits. Default false: the read ends at the head. */
  readonly follow?: boolean;
  /** With `follow`: interval of the server's heartbeats, in milliseconds: 100 to 3,600,000. Default 15,000. */
  readonly heartbeatInterval?: number;
  /** Ends the read with `CANCELED`, and frees its connection at once. */
  readonly signal?: AbortSignal;
  /**
   * Called each time the read catches up with the head, after the caller took all entries before it: for the first
   * time, and again whenever the read had fallen behind.
   */
  readonly onCaughtUp?: () => void;
  /**
   * Called with each new state: `connecting`, `live`, `caughtUp`, `beyondHead`, `retrying` with the reason and the
   * pause, `ended` with the reason. If the function throws, the read ends with the error. With this option, a read that
   * starts at a position without an entry asks the server for the head, once per connection.
   */
  readonly onStateChange?: (state: ReadState<P>) => void;
}

/** Options of a read of one segment. Bounds are inclusive. Default: no bounds. */
export interface SegmentReadOptions extends ReadOptions {
  /** First sequence. If it is no longer retained, the read starts at the first retained entry. */
  readonly minSequence?: Position;
  /** Last sequence. With `follow`, the read ends after it. */
  readonly maxSequence?: Position;
  /** Number of entries before the head at which the read starts: 10 for the latest ten and later ones. */
  readonly last?: Position;
}

/** Options of a read of one space. Bounds are inclusive. Default: no bounds. */
export interface SpaceReadOptions extends ReadOptions {
  /** First offset. If it is no longer retained, the read starts at the first retained entry. */
  readonly minOffset?: Position;
  /** Last offset. With `follow`, the read ends after it. */
  readonly maxOffset?: Position;
  /**
   * Number of offsets before the head at which the read starts. With `segmentPrefix` the read may give fewer entries.
   */
  readonly last?: Position;
  /** Prefix of the names of segments to read. Default: all segments. */
  readonly segmentPrefix?: string;
}

/** Options of a merged read of several spaces. */
export interface MergedReadOptions extends ReadOptions<SpaceOffsets> {
  /** Name of the space -> first offset; 0 for the first retained entry. 1 to 64 spaces. */
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
