import { bytes } from "../codec.ts";
import { StreamkitError } from "../errors/error.ts";
import { delay } from "../retry/backoff.ts";
import { type TimeInput, timestampMicros, toTimestamp } from "../time.ts";
import type { EncodedPage } from "../transport/peer.ts";
import { type Batch, decodeBatch } from "./batch.ts";

/** Longest `wait` that a server accepts, in milliseconds. */
export const MAX_WAIT_MILLIS = 60_000;
/** Pause after a call whose empty answer comes before the end of its `wait`, in milliseconds. */
const EARLY_PAUSE_MILLIS = 1_000;
/** The `limit` of a page without a limit of entries. Its size in bytes still limits the page. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** One call for a page. Positions are inclusive; 0 means no bound. */
interface PollRequest {
  readonly min: bigint;
  readonly max: bigint;
  readonly limit: bigint;
  /** Longest time for which the server holds the answer back, in milliseconds. */
  readonly wait: number;
}

/** A read of one segment or one space by calls. Positions are sequences or offsets. */
export interface Poll {
  /** First position; 0 for the first retained entry. */
  readonly from: number;
  /** Last position; Infinity for no bound. */
  readonly through: number;
  /** Number of positions before the head at which the read starts; 0 to start at `from`. */
  readonly last: number;
  /** Most entries; Infinity for no limit. */
  readonly limit: number;
  /** Latest commit time, in microseconds since 1970; Infinity for no bound. */
  readonly maxMicros: number;
  /** True to continue at the head. */
  readonly follow: boolean;
  /** Longest time for which the server holds an answer back at the head, in milliseconds. */
  readonly waitMillis: number;
  /** Asks for the position of the last entry ever appended. */
  head(): Promise<number>;
  /** Makes one call. */
  page(request: PollRequest): Promise<EncodedPage<number>>;
  /** The position of a batch's first entry. */
  positionOf(batch: Batch<unknown>): number;
}

/**
 * Reads by calls the entries that a stream would deliver: up to the head at the start, and with `follow` also later
 * ones. At the head the server holds each answer back until there is an entry.
 *
 * The first page arrives at once, like the first response of a stream, and shows the start of the read.
 */
export async function* pollPages(poll: Poll, signal: AbortSignal): AsyncGenerator<EncodedPage<number>> {
  const head = poll.last > 0 || !poll.follow ? await poll.head() : 0;
  let next = poll.last > 0 ? Math.max(poll.from, head - poll.last + 1) : poll.from;
  // Without `follow` the read ends at the present head, also if writers are faster than the read.
  const through = poll.follow || next > head ? poll.through : Math.min(poll.through, head);
  let remaining = poll.limit;
  if (next > poll.through && poll.from <= poll.through) {
    yield { batches: [], next, caughtUp: next > head };
    return;
  }
  /** A position that was certainly written; 0 before the read has met an entry or the head. */
  let known = 0;
  for (let wait = 0; ; ) {
    const asked = performance.now();
    const page = await poll.page({
      min: BigInt(next),
      max: Number.isFinite(through) ? BigInt(through) : 0n,
      limit: BigInt(Math.min(remaining, NO_LIMIT)),
      wait,
    });
    const firstLate = indexAfter(page.batches, poll.maxMicros);
    if (firstLate !== undefined) {
      const late = decodeBatch("", page.batches[firstLate], bytes);
      yield { batches: page.batches.slice(0, firstLate), next: poll.positionOf(late), caughtUp: false };
      return;
    }
    yield page;
    if (remaining !== Number.POSITIVE_INFINITY) {
      for (const encoded of page.batches) remaining -= decodeBatch("", encoded, bytes).length;
    }
    if (remaining <= 0 || page.next > through || (page.caughtUp && !poll.follow)) return;
    if (page.next > next) known = page.next - 1;
    if (wait > 0 && page.caughtUp && page.batches.length === 0) {
      if (known > 0) requireWritten(await poll.head(), known);
      await pauseAfter(asked, wait, signal);
    }
    next = page.next;
    wait = page.caughtUp ? Math.min(poll.waitMillis, MAX_WAIT_MILLIS) : 0;
  }
}

/**
 * Checks that the head has not gone back, which would mean that the store was deleted between two calls. A call that
 * waits during the deletion fails by itself.
 *
 * @throws StreamkitError NOT_FOUND, as a stream does after a deletion
 */
export function requireWritten(head: number, known: number): void {
  if (head >= known) return;
  throw new StreamkitError(
    "NOT_FOUND",
    "not_found",
    `the store was deleted: ${known} was its last position, now ${head}`,
  );
}

/** Pauses after an empty answer that came early, so that the client does not call in a tight loop. */
export async function pauseAfter(asked: number, wait: number, signal: AbortSignal): Promise<void> {
  if (performance.now() - asked < wait) await delay(Math.min(EARLY_PAUSE_MILLIS, wait), signal);
}

/** The first batch after a time, in microseconds since 1970. Commit times rise with positions. */
function indexAfter(batches: readonly Uint8Array[], maxMicros: number): number | undefined {
  if (maxMicros === Number.POSITIVE_INFINITY) return undefined;
  const index = batches.findIndex((encoded) => decodeBatch("", encoded, bytes).commitTimeMicros > maxMicros);
  return index < 0 ? undefined : index;
}

/**
 * The times of a read by calls. The read must see the first entry after `maxTime`, because it ends there. So the client
 * does not send `maxTime`, unless it is before `minTime` and the server must refuse it.
 */
export function pollTimes({ minTime, maxTime }: { readonly minTime?: TimeInput; readonly maxTime?: TimeInput }) {
  const min = toTimestamp("minTime", minTime);
  const max = toTimestamp("maxTime", maxTime);
  const maxMicros = max === undefined ? Number.POSITIVE_INFINITY : timestampMicros(max);
  const refused = min !== undefined && timestampMicros(min) > maxMicros;
  return { minTime: min, maxTime: refused ? max : undefined, maxMicros };
}
