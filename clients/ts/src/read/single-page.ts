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

/** Options of all reads of one page. */
export interface PageReadOptions {
  /** Earliest commit time, inclusive. Default: no bound. */
  readonly minTime?: TimeInput;
  /** Latest commit time, inclusive. Default: no bound. */
  readonly maxTime?: TimeInput;
  /** Most entries of the page. Default 1,000. A page may have fewer, because the server limits it to about 1 MiB. */
  readonly limit?: Position;
  /** True to read from the end of the range backward: the latest entries, newest first. Default false. */
  readonly backward?: boolean;
  /**
   * Longest time for which the server holds an empty answer back and waits for an entry, in milliseconds: 0 to 60,000.
   * Default 0. Not together with `backward`.
   */
  readonly wait?: number;
  /** Ends the call with `CANCELED`. */
  readonly signal?: AbortSignal;
}

/** Options of a page of a segment. Bounds are inclusive. Default: no bounds. */
export interface SegmentPageOptions extends PageReadOptions {
  /** First sequence. If it is no longer retained, the page starts at the first retained entry. */
  readonly minSequence?: Position;
  /** Last sequence. */
  readonly maxSequence?: Position;
}

/** Options of a page of a space. Bounds are inclusive. Default: no bounds. */
export interface SpacePageOptions extends PageReadOptions {
  /** First offset. If it is no longer retained, the page starts at the first retained entry. */
  readonly minOffset?: Position;
  /** Last offset. */
  readonly maxOffset?: Position;
  /** Prefix of the names of segments to read. Default: all segments. */
  readonly segmentPrefix?: string;
}

/** One page of entries. */
export interface EntryPage<T> {
  /** The entries in order; with `backward`, newest first. A page may be empty although more entries follow. */
  readonly entries: readonly Entry<T>[];
  /**
   * Start of the next page: its `minSequence` or `minOffset`. With `backward`: its `maxSequence` or `maxOffset`, and 0
   * at the end.
   */
  readonly next: number;
  /**
   * True if no newer entry was committed when the server made the page; with `backward`, if no older entry is left.
   */
  readonly caughtUp: boolean;
}

/** Options of loading a segment. */
export interface LoadOptions {
  /** First sequence. Default 1: all retained entries. */
  readonly from?: Position;
  /** Ends the load with `CANCELED`. */
  readonly signal?: AbortSignal;
}

/** The entries of a loaded segment. */
export interface LoadedSegment<T> {
  /** All retained entries from `from` on, in sequence order. */
  readonly entries: readonly Entry<T>[];
  /**
   * The segment's last sequence, or `from` - 1 if that is larger. Pass it as `expectedLastSequence` to an append that
   * builds on these entries.
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

/** The common fields of both requests. */
export function toPageFields({ minTime, maxTime, limit, backward, wait }: PageReadOptions) {
  return {
    minTime: toTimestamp("minTime", minTime),
    maxTime: toTimestamp("maxTime", maxTime),
    limit: toWirePosition("limit", limit),
    backward: backward ?? false,
    wait: toDuration("wait", wait),
  } satisfies MessageInitShape<typeof ReadSegmentRequestSchema>;
}

/** Decodes a page for the application. */
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

/** The `limit` of a page without a limit of entries. Its size in bytes still limits the page. */
const NO_LIMIT = BigInt(Number.MAX_SAFE_INTEGER);

/** The calls of a load. */
export interface LoadSource {
  readonly storeId: string;
  readonly space: string;
  readonly segment: string;
  /** Asks for the first retained sequence of the segment. */
  firstRetained(): Promise<number>;
  readSegment(fields: { minSequence: bigint; limit: bigint }): Promise<EncodedPage<number>>;
}

/**
 * Loads a segment with one call per MiB. Leaves out entries that are trimmed meanwhile, as a load after the trim would.
 *
 * @throws StreamkitError DATA_LOSS if entries are missing that were not trimmed (G11)
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

/**
 * Checks that missing entries were trimmed: the first retained entry is then behind them. Throws DATA_LOSS otherwise.
 */
async function explainGap(source: LoadSource, from: number, found: number): Promise<void> {
  const firstRetained = await source.firstRetained();
  if (firstRetained >= found) return;
  const { space, segment } = source;
  throw dataLoss(
    `segment "${segment}" of space "${space}" went from sequence ${from - 1} to ${found}, ` +
      `although the server retains all entries from ${firstRetained} on`,
    { segment },
  );
}
