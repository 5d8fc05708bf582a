import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ReadSegmentRequestSchema } from "@streamkit/protocol";
import type { Codec } from "../codec.ts";
import { dataLoss } from "../errors/error.ts";
import { type ChecksOf, flag, millis, position, signal, text, time } from "../options.ts";
import { type Position, toWirePosition } from "../position.ts";
import { type RetryPolicy, withRetry } from "../retry/retry.ts";
import { type TimeInput, toDuration, toTimestamp } from "../time.ts";
import type { EncodedPage } from "../transport/peer.ts";
import { type Batch, decodeBatch } from "./batch.ts";
import type { Entry } from "./entry.ts";

/** What every read of one page understands. */
export interface PageReadOptions {
  /** Earliest commit time wanted. */
  readonly minTime?: TimeInput;
  /** Latest commit time wanted. */
  readonly maxTime?: TimeInput;
  /** Most entries wanted. Default 1,000. A page may have fewer, because it has about 1 MiB at most. */
  readonly limit?: Position;
  /** Reads from the end of the range to its beginning: the latest entries, newest first. Default false. */
  readonly backward?: boolean;
  /**
   * Where there is nothing yet: how long the server holds the answer until something is committed, in milliseconds: 0
   * to 60,000. Default 0. Not together with `backward`.
   */
  readonly wait?: number;
  /** Ends the call with `CANCELED`. */
  readonly signal?: AbortSignal;
}

/** Which page of a segment. Bounds are inclusive; absent = unbounded. */
export interface SegmentPageOptions extends PageReadOptions {
  /** First sequence wanted. Where it is no longer retained, the page starts at the first one that is. */
  readonly minSequence?: Position;
  /** Last sequence wanted. */
  readonly maxSequence?: Position;
}

/** Which page of a space. Bounds are inclusive; absent = unbounded. */
export interface SpacePageOptions extends PageReadOptions {
  /** First offset wanted. Where it is no longer retained, the page starts at the first one that is. */
  readonly minOffset?: Position;
  /** Last offset wanted. */
  readonly maxOffset?: Position;
  /** Only entries of segments whose name starts so. */
  readonly segmentPrefix?: string;
}

/** One page of entries. */
export interface EntryPage<T> {
  /** In order; with `backward`, newest first. May be empty, also where more follow: `caughtUp` tells. */
  readonly entries: readonly Entry<T>[];
  /**
   * Where the next page begins: its minSequence or minOffset. With `backward`: its maxSequence or maxOffset, and 0 at
   * the end.
   */
  readonly next: number;
  /**
   * True when nothing newer was committed at the moment the page was made; with `backward`, when nothing older is left.
   */
  readonly caughtUp: boolean;
}

/** How a segment is loaded. */
export interface LoadOptions {
  /** First sequence wanted. Default 1: all that is retained. */
  readonly from?: Position;
  /** Ends the load with `CANCELED`. */
  readonly signal?: AbortSignal;
}

/** A segment as it was loaded. */
export interface LoadedSegment<T> {
  /** Every retained entry from `from` on, in sequence order. */
  readonly entries: readonly Entry<T>[];
  /**
   * The segment's last sequence, or `from` - 1 where that is larger: the `expectedLastSequence` of an append that
   * builds on this.
   */
  readonly lastSequence: number;
}

const PAGE_READ_OPTIONS = {
  minTime: time,
  maxTime: time,
  limit: position,
  backward: flag,
  wait: millis(0, 60_000),
  signal,
} satisfies ChecksOf<PageReadOptions>;

export const SEGMENT_PAGE_OPTIONS = {
  ...PAGE_READ_OPTIONS,
  minSequence: position,
  maxSequence: position,
} satisfies ChecksOf<SegmentPageOptions>;

export const SPACE_PAGE_OPTIONS = {
  ...PAGE_READ_OPTIONS,
  minOffset: position,
  maxOffset: position,
  segmentPrefix: text,
} satisfies ChecksOf<SpacePageOptions>;

export const LOAD_OPTIONS = { from: position, signal } satisfies ChecksOf<LoadOptions>;

/** The fields that both requests have, from the options. */
export function toPageFields({ minTime, maxTime, limit, backward, wait }: PageReadOptions) {
  return {
    minTime: toTimestamp("minTime", minTime),
    maxTime: toTimestamp("maxTime", maxTime),
    limit: toWirePosition("limit", limit),
    backward: backward ?? false,
    wait: toDuration("wait", wait),
  } satisfies MessageInitShape<typeof ReadSegmentRequestSchema>;
}

/** A page as the application sees it. */
export function toEntryPage<T>(
  storeId: string,
  { batches, next, caughtUp }: EncodedPage<number>,
  codec: Codec<T, never>,
  backward = false,
): EntryPage<T> {
  const entries = batches.flatMap((encoded) => {
    const batch: Batch<T> = decodeBatch(storeId, encoded, codec);
    return backward ? [...batch].reverse() : [...batch];
  });
  return { entries, next, caughtUp };
}

/** A position that is never reached: the page is cut by its size alone. */
const NO_LIMIT = BigInt(Number.MAX_SAFE_INTEGER);

/** Where a load gets its pages from. */
export interface LoadSource {
  readonly storeId: string;
  readonly space: string;
  readonly segment: string;
  /** First retained sequence of the segment, now. */
  firstRetained(): Promise<number>;
  readSegment(fields: { minSequence: bigint; limit: bigint }): Promise<EncodedPage<number>>;
}

/**
 * Loads a segment with as few calls as its size allows: one per MiB. What is trimmed meanwhile is left out of the
 * result, which is then as if it had been loaded after the trim.
 *
 * @throws StreamkitError DATA_LOSS when entries are missing that were not trimmed (G11)
 */
export async function loadSegment<T>(
  source: LoadSource,
  codec: Codec<T, never>,
  policy: RetryPolicy,
  { from, signal: end }: LoadOptions,
): Promise<LoadedSegment<T>> {
  let entries: Entry<T>[] = [];
  let next = Math.max(1, Number(toWirePosition("from", from)));
  for (;;) {
    const minSequence = BigInt(next);
    const page = toEntryPage(
      source.storeId,
      await withRetry(policy, end, () => source.readSegment({ minSequence, limit: NO_LIMIT })),
      codec,
    );
    for (const entry of page.entries) {
      if (entries.length > 0 && entry.sequence > next) {
        await explainGap(source, next, entry.sequence);
        entries = [];
      }
      entries.push(entry);
      next = entry.sequence + 1;
    }
    if (entries.length > 0 && page.next > next) {
      await explainGap(source, next, page.next);
      entries = [];
    }
    next = page.next;
    if (page.caughtUp) return { entries, lastSequence: next - 1 };
  }
}

/** Only what is oldest can be trimmed: entries are missing rightly when the segment begins behind them now. */
async function explainGap(source: LoadSource, from: number, found: number): Promise<void> {
  const firstRetained = await source.firstRetained();
  if (firstRetained >= found) return;
  const { space, segment } = source;
  throw dataLoss(
    `segment "${segment}" of space "${space}" went from sequence ${from - 1} to ${found}, ` +
      `while everything from ${firstRetained} on is retained`,
    { segment },
  );
}
