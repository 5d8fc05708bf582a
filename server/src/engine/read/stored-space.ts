import type { PartitionStore } from "../../storage/port.ts";
import type { SegmentHead, SpaceHead } from "../rows/heads.ts";

/** A space as reads from storage need it: where it stands, and which entries were trimmed. */
export interface StoredSpace {
  readonly space: string;
  readonly partition: string;
  readonly store: PartitionStore;
  /** The committed state, as far as this instance knows it. */
  readonly head: SpaceHead;
  /** First offset that may exist, as of `head`. */
  readonly firstOffset: number;
  /** True while the space log may still have trimmed entries. */
  readonly hasTrimmed: boolean;
  /** The head of a segment, as of `head`. */
  segmentHead(segment: string): Promise<SegmentHead>;
  /** The head of a segment as it is stored now: asked for before a read ends with DATA_LOSS. */
  storedSegmentHead(segment: string): Promise<SegmentHead>;
  /** First offset that may exist, as stored now. */
  storedFirstOffset(): Promise<number>;
  /** First sequence of the segment that exists, if the rows of a trim are still to be removed; 1 otherwise. */
  trimmedBefore(segment: string): number;
  /** First sequences of all segments with trimmed rows that are still to be removed. */
  trims(): ReadonlyMap<string, number>;
}
