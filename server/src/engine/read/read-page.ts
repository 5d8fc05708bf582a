import type { EncodedBatch } from "../rows/batch.ts";
import { ALL, type ConsumePage, consume, type EntrySource, type Selection, seekTime } from "./consume.ts";

/**
 * What one page is to have. Positions are sequences or offsets, inclusive; times are microseconds since 1970,
 * inclusive.
 */
export interface PageSelection {
  readonly min: number;
  readonly max: number;
  readonly minTimeMicros: number;
  readonly maxTimeMicros: number;
  /** Most entries. */
  readonly limit: number;
}

/** Bytes on a page, as `costOf` counts them: about 1 MiB, or one batch. */
const PAGE_BYTES = 1024 * 1024;
/**
 * Pages that one call reads from storage at most: a filter that selects next to nothing must not make a call read
 * everything.
 */
const MAX_READS = 32;
/** Entries that a backward read begins with; how many fit on a page shows then. */
const FIRST_ENTRIES = 16;
/** Most entries that a backward read looks at between two pages. */
const MAX_ENTRIES = 16_384;

/** Reads the first entries of a range. */
export async function readForward(
  source: EntrySource,
  selection: PageSelection,
  signal: AbortSignal,
): Promise<ConsumePage> {
  return (await firstPage(source, consume(source, { ...ALL, ...selection }, signal))) as ConsumePage;
}

/**
 * Reads the first entries of a range; where there are none yet, the first ones that are committed within `waitMillis`.
 * What waits holds a position and no entries.
 *
 * @throws whatever `signal` was aborted with
 */
export async function readOrWait(
  source: EntrySource,
  selection: PageSelection,
  waitMillis: number,
  signal: AbortSignal,
): Promise<ConsumePage> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(patience), waitMillis);
  const following: Selection = { ...ALL, ...selection, follow: true, heartbeatMillis: waitMillis };
  const pages = consume(source, following, AbortSignal.any([signal, patience.signal]));
  let latest: ConsumePage | undefined;
  try {
    for (;;) {
      const page = await firstPage(source, pages, (each) => each.caughtUp);
      // The range is over, and nothing will ever be in it.
      if (page === undefined) break;
      // Where there is more there is no reason to wait.
      if (page.batches.length > 0 || !page.caughtUp) return page;
      latest = page;
    }
  } catch (error) {
    if (error !== patience) throw error;
    signal.throwIfAborted();
  } finally {
    clearTimeout(timer);
    await pages.return();
  }
  // As of the latest page that said so; none, if there was no time for one.
  return latest ?? (await readForward(source, selection, signal));
}

/**
 * Puts what a reading delivers together to one page, up to a page of which `isLast` holds; undefined where it delivers
 * nothing more.
 */
async function firstPage(
  source: EntrySource,
  pages: AsyncGenerator<ConsumePage, void, undefined>,
  isLast: (page: ConsumePage) => boolean = () => false,
): Promise<ConsumePage | undefined> {
  const batches: EncodedBatch[] = [];
  let bytes = 0;
  let last: ConsumePage | undefined;
  for (let reads = 1; ; reads++) {
    const { value: page } = await pages.next();
    if (page === undefined) break;
    for (const batch of page.batches) {
      const cost = costOf(batch);
      if (bytes > 0 && bytes + cost > PAGE_BYTES) {
        await pages.return();
        return { batches, next: source.positionOf(batch), caughtUp: false };
      }
      batches.push(batch);
      bytes += cost;
    }
    last = page;
    if (isLast(page)) break;
    if (reads >= MAX_READS) {
      await pages.return();
      break;
    }
  }
  return last && { batches, next: last.next, caughtUp: last.caughtUp };
}

/**
 * Reads the last entries of a range, newest first: positions are dense, so what comes before a page is the range that
 * ends before it. `next` of the page is the last position of that range, or 0 when nothing is left; `caughtUp` says the
 * same.
 *
 * @throws ServerError DATA_LOSS; whatever `signal` was aborted with
 */
export async function readBackward(
  source: EntrySource,
  { min, max, minTimeMicros, maxTimeMicros, limit }: PageSelection,
  signal: AbortSignal,
): Promise<ConsumePage> {
  using _held = source.hold();
  const { first, head } = await source.sync();
  let low = Math.max(first, min);
  if (minTimeMicros > 0) low = await seekTime(source, low, head, minTimeMicros);
  let high = Math.min(max, head);
  if (maxTimeMicros < ALL.maxTimeMicros)
    high = Math.min(high, (await seekTime(source, low, head, maxTimeMicros + 1)) - 1);

  const page = new BackwardPage(source, limit);
  let wanted = Math.min(limit, FIRST_ENTRIES);
  for (let reads = 0; high >= low && !page.full && reads < MAX_READS; ) {
    const from = Math.max(low, high - wanted + 1);
    const { removals } = source;
    const tail = new Tail();
    for await (const { batches } of source.read(from, high)) {
      signal.throwIfAborted();
      reads++;
      tail.add(batches, source.visible(batches));
    }
    reads++;
    // What was read may have been removed meanwhile, and an old view of the storage may have shown it again.
    if (source.removals !== removals) low = Math.max(low, (await source.sync()).first);
    else high = page.take(tail, from - 1);
    wanted = tail.worthReading(wanted);
  }
  const begun = high < low;
  return { batches: page.batches, next: begun ? 0 : high, caughtUp: begun };
}

/** The entries of a backward read, newest first. */
class BackwardPage {
  readonly batches: EncodedBatch[] = [];
  full = false;
  readonly #source: EntrySource;
  #remaining: number;
  #bytes = 0;

  constructor(source: EntrySource, limit: number) {
    this.#source = source;
    this.#remaining = limit;
  }

  /**
   * Takes from the end of what was read; returns the last position that is left to read, which is `before` when all was
   * taken.
   */
  take(tail: Tail, before: number): number {
    let end = before;
    for (const batch of tail.batches.toReversed()) {
      const part = batch.slice(batch.count - this.#remaining, batch.count);
      const cost = costOf(part);
      if (this.#bytes > 0 && this.#bytes + cost > PAGE_BYTES) {
        this.full = true;
        return this.#source.positionOf(batch) + batch.count - 1;
      }
      this.batches.push(part);
      this.#bytes += cost;
      this.#remaining -= part.count;
      end = this.#source.positionOf(part) - 1;
      if (this.#remaining === 0) {
        this.full = true;
        return end;
      }
    }
    if (!tail.isCut) return before;
    this.full = true;
    return end;
  }
}

/** The end of what a scan delivers: as much as fits on a page, and the batch before. */
class Tail {
  readonly batches: EncodedBatch[] = [];
  /** True when there was more than is kept. */
  isCut = false;
  #bytes = 0;
  #seenBytes = 0;
  #seenEntries = 0;

  /**
   * @param seen everything that was read
   * @param selected what of it is wanted
   */
  add(seen: readonly EncodedBatch[], selected: readonly EncodedBatch[]): void {
    for (const batch of seen) {
      this.#seenBytes += batch.byteLength;
      this.#seenEntries += batch.count;
    }
    for (const batch of selected) {
      this.batches.push(batch);
      this.#bytes += costOf(batch);
    }
    while (this.batches.length > 1 && this.#bytes - costOf(this.batches[0]) > PAGE_BYTES) {
      this.#bytes -= costOf(this.batches[0]);
      this.batches.shift();
      this.isCut = true;
    }
  }

  /** Entries that have about the bytes of a page, but no more than eight times as many as before. */
  worthReading(before: number): number {
    const average = this.#seenEntries === 0 ? 1 : this.#seenBytes / this.#seenEntries;
    return Math.max(1, Math.min(before * 8, Math.ceil(PAGE_BYTES / average), MAX_ENTRIES));
  }
}

/**
 * Bytes of a batch on a page: encoded, and with room for what its JSON form has more, so that it fits into a response
 * as well.
 */
function costOf(batch: EncodedBatch): number {
  return batch.byteLength + 200 + 12 * batch.count;
}
