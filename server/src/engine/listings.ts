import type { PartitionStore } from "../storage/port.ts";
import type { Listed } from "./names.ts";
import {
  decodeSegmentHead,
  decodeSpaceHead,
  effectiveSegmentHead,
  type SegmentHead,
  type SpaceHead,
} from "./rows/heads.ts";
import { HEAD_KEY, partitionSpace, segmentHeadRange, segmentOfHeadKey, spacePartition } from "./rows/key-space.ts";
import { rowsAtOnce } from "./rows/rows-at-once.ts";
import type { SpaceLog } from "./space/space-log.ts";

/** One space in a list. */
export interface ListedSpace {
  readonly space: string;
  readonly head: SpaceHead;
}

/** One segment in a list. */
export interface ListedSegment {
  readonly segment: string;
  readonly head: SegmentHead;
}

/**
 * Lists spaces by name, in byte order. Deleted spaces appear without an item.
 *
 * @param after name after which the list begins; "" for the whole list
 * @param atOnce how many spaces to read at a time: about as many as the caller wants
 */
export async function* listSpaces(
  store: PartitionStore,
  prefix: string,
  after: string,
  atOnce: number,
): AsyncGenerator<Listed<ListedSpace>, void, undefined> {
  let cursor = after === "" ? undefined : spacePartition(after);
  for (;;) {
    const page = await store.partitions({ prefix: spacePartition(prefix), after: cursor, limit: atOnce });
    const rows = await Promise.all(page.map((partition) => store.get(partition, HEAD_KEY)));
    for (const [index, partition] of page.entries()) {
      const row = rows[index];
      const name = partitionSpace(partition);
      const head = row && decodeSpaceHead(row.value, name);
      const listed = head !== undefined && head.lastOffset > head.deletedOffset;
      yield { name, item: listed ? { space: name, head } : undefined };
    }
    if (page.length < atOnce) return;
    cursor = page[page.length - 1];
  }
}

/**
 * Lists the segments of a space by name, in byte order. Unlisted segments appear without an item.
 *
 * @param after name after which the list begins; "" for the whole list
 * @param atOnce how many segments to read at a time: about as many as the caller wants
 */
export async function* listSegments(
  store: PartitionStore,
  log: SpaceLog,
  prefix: string,
  after: string,
  atOnce: number,
): AsyncGenerator<Listed<ListedSegment>, void, undefined> {
  const head = await log.sync();
  const range = segmentHeadRange(prefix, after);
  for await (const rows of rowsAtOnce(store, log.partition, range, atOnce)) {
    for (const row of rows) {
      const name = segmentOfHeadKey(row.key);
      const segmentHead = effectiveSegmentHead(decodeSegmentHead(row.value, name), head);
      yield { name, item: segmentHead.unlisted ? undefined : { segment: name, head: segmentHead } };
    }
  }
}
