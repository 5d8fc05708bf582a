import type { Subscription } from "../live/live-hub.ts";
import { nextWake } from "../live/next-wake.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { PAGE_BYTES, splitPages } from "./page-size.ts";
import type { Page } from "./read-segment.ts";

/** What a reader wants. Positions are sequences or offsets, inclusive; times are microseconds since 1970, inclusive. */
export interface Selection {
  readonly min: number;
  readonly max: number;
  readonly minTimeMicros: number;
  readonly maxTimeMicros: number;
  /** Most entries. `Infinity` for all. */
  readonly limit: number;
  /** Start that many entries before the end; 0 for no such start. */
  readonly last: number;
  readonly follow: boolean;
  readonly heartbeatMillis: number;
  /** Sizes the pages that are read from storage. Default: 512 KiB each. */
  readonly pace?: Pace;
}

/** Sizes the pages of one read by how much its reader has left unread. */
export interface Pace {
  /** Bytes that complete a page now. */
  readonly pageBytes: number;
  /** Sets aside memory for a page of so many bytes, until the result is disposed. */
  reserve(bytes: number): Disposable;
}

/** Everything. */
export const ALL: Selection = {
  min: 1,
  max: Number.MAX_SAFE_INTEGER,
  minTimeMicros: 0,
  maxTimeMicros: Number.MAX_SAFE_INTEGER,
  limit: Number.POSITIVE_INFINITY,
  last: 0,
  follow: false,
  heartbeatMillis: 15_000,
};

/** One response of a consume stream. */
export interface ConsumePage extends Page {
  /** Nothing newer was committed when this page was made. */
  readonly caughtUp: boolean;
}

/** What is read: a segment in sequence order, or a space in offset order. */
export interface EntrySource {
  /** Learns the latest committed state, and says where the source starts and ends. */
  sync(): Promise<{ first: number; head: number }>;
  /** The last committed position, as far as this instance knows by now. */
  readonly head: number;
  /** Changes whenever entries were removed: what a scan finds from then on may have to be left out. */
  readonly removals: number;
  /** Reads positions from storage, in pages of at most about a megabyte. */
  read(from: number, through: number, pageBytes?: number): AsyncIterable<Page>;
  /** Position of a batch's first entry. */
  positionOf(batch: EncodedBatch): number;
  /** Commit time of the entry at a position, or of the next one that exists; `undefined` when there is none. */
  timeAt(position: number): Promise<number | undefined>;
  /** Leaves out what a reader must not see any more, or did not ask for. */
  visible(batches: readonly EncodedBatch[]): readonly EncodedBatch[];
  /** Follows from the next commit on. */
  subscribe(): Subscription;
  /** Keeps what the source reads from in memory until disposed. */
  hold(): Disposable;
}

/**
 * Reads a source: what is stored, then, with `follow`, what is committed later. Yields at least one page. Each position
 * is delivered at most once, in order, and none is left out (G1, G2): positions are dense, so the hand-over from
 * storage to the live feed is exact wherever it happens.
 *
 * @throws ServerError DATA_LOSS; whatever `signal` was aborted with
 */
export async function* consume(
  source: EntrySource,
  selection: Selection,
  signal: AbortSignal,
): AsyncGenerator<ConsumePage, void, undefined> {
  using _held = source.hold();
  using subscription = selection.follow ? source.subscribe() : undefined;
  const { first, head } = await source.sync();
  let position = Math.max(first, selection.min, selection.last > 0 ? head - selection.last + 1 : 1);
  if (selection.minTimeMicros > 0) position = await seekTime(source, position, head, selection.minTimeMicros);
  const cut = new Cut(source, selection);
  let caughtUpSent = false;
  let sent = false;

  for (let target = head; ; target = source.head) {
    const through = Math.min(target, selection.max);
    while (position <= through && !cut.complete) {
      const { removals } = source;
      // What was there before the call is read from storage: the ring may still have what was trimmed since.
      const live = position > head ? subscription : undefined;
      const pageBytes = selection.pace?.pageBytes ?? PAGE_BYTES;
      using reserved = selection.pace?.reserve(pageBytes);
      for await (const page of pagesFrom(source, live, position, through, pageBytes)) {
        signal.throwIfAborted();
        reserved?.[Symbol.dispose]();
        const parts = splitPages(cut.select(source.visible(page.batches), position));
        for (const [index, batches] of parts.entries()) {
          if (index < parts.length - 1) position = after(source, batches[batches.length - 1]);
          else position = cut.complete ? cut.next : page.next;
          const caughtUp = position > source.head;
          yield { batches, next: position, caughtUp };
          caughtUpSent = caughtUp;
          sent = true;
          if (source.removals !== removals) break;
        }
        if (cut.complete || source.removals !== removals) break;
        // A reader that has caught up with what it left unread gets larger pages again.
        if (selection.pace !== undefined && selection.pace.pageBytes > 2 * pageBytes) break;
      }
      if (source.removals !== removals) position = Math.max(position, (await source.sync()).first);
    }
    signal.throwIfAborted();
    const ended = cut.complete || position > selection.max || subscription === undefined;
    if (!sent || (!ended && !caughtUpSent && position > source.head)) {
      yield { batches: [], next: position, caughtUp: position > source.head };
      sent = caughtUpSent = true;
    }
    if (ended) return;
    while (source.head < position) {
      const woken = await nextWake(subscription.feed, selection.heartbeatMillis, signal);
      if (!woken) yield { batches: [], next: position, caughtUp: source.head < position };
      // Other instances may have committed more than they told.
      else if (source.head < position) await source.sync();
    }
    caughtUpSent = false;
  }
}

/** Pages from `position` on: from the live ring when it has the position, else from storage. */
async function* pagesFrom(
  source: EntrySource,
  subscription: Subscription | undefined,
  position: number,
  through: number,
  pageBytes: number,
): AsyncGenerator<Page, void, undefined> {
  const live = subscription?.feed.read(position, pageBytes);
  if (live === undefined || live.length === 0) {
    let next = position;
    for await (const page of source.read(position, through, pageBytes)) {
      yield page;
      next = page.next;
    }
    // What is left was trimmed while it was read.
    if (next <= through) yield { batches: [], next: through + 1 };
    return;
  }
  const last = live[live.length - 1];
  const next = Math.min(after(source, last), through + 1);
  const batches = live.flatMap((batch) => {
    const start = position - source.positionOf(batch);
    const end = Math.min(batch.count, next - source.positionOf(batch));
    return start < end ? [batch.slice(Math.max(0, start), end)] : [];
  });
  yield { batches, next };
}

/** The position after a batch. */
function after(source: EntrySource, batch: EncodedBatch): number {
  return source.positionOf(batch) + batch.count;
}

/** Applies times and limit; bounds of positions are applied by what is read. */
class Cut {
  /** True when no further entry can be wanted. */
  complete = false;
  /** With `complete`: where a reader that wants more goes on. */
  next = 0;
  readonly #source: EntrySource;
  readonly #selection: Selection;
  #remaining: number;

  constructor(source: EntrySource, selection: Selection) {
    this.#source = source;
    this.#selection = selection;
    this.#remaining = selection.limit;
  }

  select(batches: readonly EncodedBatch[], position: number): readonly EncodedBatch[] {
    const { minTimeMicros, maxTimeMicros, limit } = this.#selection;
    if (minTimeMicros === 0 && maxTimeMicros === Number.MAX_SAFE_INTEGER && limit === Number.POSITIVE_INFINITY)
      return batches;
    const selected: EncodedBatch[] = [];
    for (const batch of batches) {
      if (batch.commitTimeMicros < minTimeMicros) continue;
      if (batch.commitTimeMicros > maxTimeMicros)
        return this.#end(selected, Math.max(position, this.#source.positionOf(batch)));
      const taken = batch.slice(0, this.#remaining);
      selected.push(taken);
      this.#remaining -= taken.count;
      if (this.#remaining === 0) return this.#end(selected, after(this.#source, taken));
    }
    return selected;
  }

  #end(selected: readonly EncodedBatch[], next: number): readonly EncodedBatch[] {
    this.complete = true;
    this.next = next;
    return selected;
  }
}

/** First position from `low` on whose commit time is at least `timeMicros`; times rise with positions (G2). */
export async function seekTime(source: EntrySource, low: number, head: number, timeMicros: number): Promise<number> {
  let high = head + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = await source.timeAt(middle);
    if (found !== undefined && found < timeMicros) low = middle + 1;
    else high = middle;
  }
  return low;
}
