import { bytes } from "../codec.ts";
import { StreamkitError } from "../errors/error.ts";
import { delay } from "../retry/backoff.ts";
import { type TimeInput, timestampMicros, toTimestamp } from "../time.ts";
import type { EncodedPage } from "../transport/peer.ts";
import { type Batch, decodeBatch } from "./batch.ts";

/** Longest `wait` of a call, in milliseconds: the server takes no more. */
export const MAX_WAIT_MILLIS = 60_000;
/** Pause after a call that comes back empty before its `wait` is over, in milliseconds. */
const EARLY_PAUSE_MILLIS = 1_000;
/** The limit of a page that is cut by its size alone. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** One call for a page. Positions are inclusive; 0 means no bound. */
interface PollRequest {
  readonly min: bigint;
  readonly max: bigint;
  readonly limit: bigint;
  /** How long the server may hold the answer, in milliseconds. */
  readonly wait: number;
}

/** A read of one segment or one space by single calls. Positions are sequences or offsets. */
export interface Poll {
  /** First position wanted; 0 for the first that is retained. */
  readonly from: number;
  /** Last position wanted; Infinity for all. */
  readonly through: number;
  /** Starts so many positions before the end; 0 for no such start. */
  readonly last: number;
  /** Most entries; Infinity for all. */
  readonly limit: number;
  /** Latest commit time wanted, in microseconds since 1970; Infinity for all. */
  readonly maxMicros: number;
  /** True to go on at the head. */
  readonly follow: boolean;
  /** How long the server holds an answer at the head, in milliseconds. */
  readonly waitMillis: number;
  /** The position of the last entry that was ever appended, now. */
  head(): Promise<number>;
  /** One call. */
  page(request: PollRequest): Promise<EncodedPage<number>>;
  /** The position of a batch's first entry. */
  positionOf(batch: Batch<unknown>): number;
}

/**
 * Reads by single calls the entries that a stream would deliver: those up to the head as of the call, and with `follow`
 * those that are committed later. At the head the server holds each call until there is an entry.
 *
 * The first page comes at once, as the first response of a stream does: it shows where the read starts.
 */
export async function* pollPages(poll: Poll, signal: AbortSignal): AsyncGenerator<EncodedPage<number>> {
  const head = poll.last > 0 || !poll.follow ? await poll.head() : 0;
  let next = poll.last > 0 ? Math.max(poll.from, head - poll.last + 1) : poll.from;
  // Without `follow` the read ends at the head of now, however fast others write.
  const through = poll.follow || next > head ? poll.through : Math.min(poll.through, head);
  let remaining = poll.limit;
  if (next > poll.through && poll.from <= poll.through) {
    yield { batches: [], next, caughtUp: next > head };
    return;
  }
  /** The last position that surely was written; 0 where the read has not come to an entry or to the head. */
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
 * Checks that the store was not deleted between two calls: then its head went back. A call that waits at that moment
 * fails by itself.
 *
 * @throws StreamkitError NOT_FOUND, with which a stream ends then
 */
export function requireWritten(head: number, known: number): void {
  if (head >= known) return;
  throw new StreamkitError(
    "NOT_FOUND",
    "not_found",
    `the store was deleted: ${known} was its last position, now ${head}`,
  );
}

/** Pauses after a call that came back without an entry and did not wait: it must not be repeated without end. */
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
 * The times of a read by single calls. The read ends by itself at the first entry after `maxTime`, which the server
 * would only leave out; so the server is not told of `maxTime`, except where it has to refuse it.
 */
export function pollTimes({ minTime, maxTime }: { readonly minTime?: TimeInput; readonly maxTime?: TimeInput }) {
  const min = toTimestamp("minTime", minTime);
  const max = toTimestamp("maxTime", maxTime);
  const maxMicros = max === undefined ? Number.POSITIVE_INFINITY : timestampMicros(max);
  const refused = min !== undefined && timestampMicros(min) > maxMicros;
  return { minTime: min, maxTime: refused ? max : undefined, maxMicros };
}
