import type { PartitionStore } from "../../storage/port.ts";
import type { SegmentHead, SpaceHead } from "../rows/heads.ts";

/** The view of a space that reads from storage need: its state, and its trimmed entries. */
export interface StoredSpace {
  readonly space: string;
  readonly partition: string;
  readonly store: PartitionStore;
  /** The committed state that this instance knows of. */
  readonly head: SpaceHead;
  /** First offset that may exist, as of `head`. */
  readonly firstOffset: number;
  /** True while the space log may still contain trimmed entries. */
  readonly hasTrimmed: boolean;
  /** Returns the head of a segment, as of `head`. */
  segmentHead(segment: string): Promise<SegmentHead>;
  /** Reads the current head of a segment from storage. A read asks for it before it fails with DATA_LOSS. */
  storedSegmentHead(segment: string): Promise<SegmentHead>;
  /** Reads the first offset that may exist from storage. */
  storedFirstOffset(): Promise<number>;
  /** Returns the first sequence to keep if rows of a trim are still to be removed; otherwise 1. */
  trimmedBefore(segment: string): number;
  /** Returns the first sequences to keep of all segments whose trimmed rows are still to be removed. */
  trims(): ReadonlyMap<string, number>;
}
