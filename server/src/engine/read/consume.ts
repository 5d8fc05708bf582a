import type { Subscription } from "../live/live-hub.ts";
import { nextWake } from "../live/next-wake.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { PAGE_BYTES, splitPages } from "./page-size.ts";
import type { Page } from "./read-segment.ts";

/**
 * The entries that a reader asks for. Positions are sequences or offsets; times are microseconds since 1970. All bounds
 * are inclusive.
 */
export interface Selection {
  readonly min: number;
  readonly max: number;
  readonly minTimeMicros: number;
  readonly maxTimeMicros: number;
  /** Most entries; `Infinity` for all. */
  readonly limit: number;
  /** Starts this many entries before the end; 0 starts at `min`. */
  readonly last: number;
  readonly follow: boolean;
  readonly heartbeatMillis: number;
  /** Decides on the sizes of the pages that are read from storage. Default: 512 KiB each. */
  readonly pace?: Pace;
}

/** Adapts the sizes of pages of one read to the amount that its reader has left unread. */
export interface Pace {
  /** Bytes that complete a page now. */
  readonly pageBytes: number;
  /** Reserves memory for a page of this size until the result is disposed. */
  reserve(bytes: number): Disposable;
}

/** Selects all entries, without following. */
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
  /** True if no newer entry was committed when this page was made. */
  readonly caughtUp: boolean;
}

/** Tells a read that nobody waits for it any more, as an AbortSignal does. */
export interface Ending {
  /** Throws the reason once the read is to end. */
  throwIfAborted(): void;
}

/** A readable sequence of entries: a segment in sequence order, or a space in offset order. */
export interface EntrySource {
  /** Reads the latest committed state. Resolves to the first and the last position of the source. */
  sync(): Promise<{ first: number; head: number }>;
  /** The last committed position that this instance knows of. */
  readonly head: number;
  /** Changes whenever entries are removed. Later pages of a scan may then contain removed entries. */
  readonly removals: number;
  /** Reads positions from storage, in pages of at most about 1 MiB. */
  read(from: number, through: number, pageBytes?: number): AsyncIterable<Page>;
  /** Returns the position of the first entry of a batch. */
  positionOf(batch: EncodedBatch): number;
  /**
   * Returns the commit time of the entry at a position, or of the next entry that exists; undefined if there is none.
   */
  timeAt(position: number): Promise<number | undefined>;
  /** Returns the batches without removed entries and without entries that the reader did not ask for. */
  visible(batches: readonly EncodedBatch[]): readonly EncodedBatch[];
  /** Follows the source from the next commit on. */
  subscribe(): Subscription;
  /** Keeps the state behind the source in memory until disposed. */
  hold(): Disposable;
}

type Pages = AsyncGenerator<ConsumePage, void, undefined>;

/**
 * Reads the stored entries of a source, then, with `follow`, the entries that are committed later. Yields at least one
 * page. Delivers every position at most once, in order, and leaves out none (G1, G2). Positions are dense, so the
 * hand-over from storage to the live feed is exact at any position.
 *
 * @throws ServerError DATA_LOSS if entries are missing or damaged; the reason of `signal` once it is aborted
 */
export function consume(source: EntrySource, selection: Selection, signal: AbortSignal): Pages;
export function consume(source: EntrySource, selection: Selection & { follow: false }, ending: Ending): Pages;
export async function* consume(source: EntrySource, selection: Selection, signal: AbortSignal | Ending): Pages {
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
      // Read entries from before the call from storage: the ring may still hold some that were trimmed since.
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
        // The reader has consumed enough of its backlog for larger pages: read on with those.
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
      const woken = await nextWake(subscription.feed, selection.heartbeatMillis, signal as AbortSignal);
      if (!woken) yield { batches: [], next: position, caughtUp: source.head < position };
      // Other instances may have committed more than their hints told.
      else if (source.head < position) await source.sync();
    }
    caughtUpSent = false;
  }
}

/** Yields pages from `position` on: from the live ring if it has the position, otherwise from storage. */
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
    // The remaining entries were trimmed during the read.
    if (next <= through) yield { batches: [], next: through + 1 };
    return;
  }
  const last = live[live.length - 1];
  const next = Math.min(after(source, last), through + 1);
  const batches = live.flatMap((batch) => {
    // The ring may have batches that were published after the target was set. The next page begins with them.
    const start = Math.max(0, position - source.positionOf(batch));
    const end = Math.min(batch.count, next - source.positionOf(batch));
    return start < end ? [batch.slice(start, end)] : [];
  });
  yield { batches, next };
}

/** Returns the position after a batch. */
function after(source: EntrySource, batch: EncodedBatch): number {
  return source.positionOf(batch) + batch.count;
}

/** Applies the times and the limit of a selection. The read itself applies the bounds of positions. */
class Cut {
  /** True once no further entry can match. */
  complete = false;
  /** If `complete`: position from which the reader can go on. */
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

/**
 * Returns the first position from `low` on with a commit time of at least `timeMicros`. Times rise with positions (G2).
 *
 * @param head last position of the source
 * @returns `head` + 1 if there is no such position
 */
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
