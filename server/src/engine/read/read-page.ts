import type { EncodedBatch } from "../rows/batch.ts";
import { ALL, type ConsumePage, consume, type Ending, type EntrySource, type Selection, seekTime } from "./consume.ts";

/**
 * The entries that one page may contain. Positions are sequences or offsets; times are microseconds since 1970. All
 * bounds are inclusive.
 */
export interface PageSelection {
  readonly min: number;
  readonly max: number;
  readonly minTimeMicros: number;
  readonly maxTimeMicros: number;
  /** Most entries. */
  readonly limit: number;
}

/** Most bytes on a page as `costOf` counts them: 1 MiB, or one batch. */
export const PAGE_COST = 1024 * 1024;
/**
 * Most pages that one call reads from storage. A filter that matches almost nothing must not make one call read
 * everything.
 */
const MAX_READS = 32;
/** Number of entries in the first step of a backward read. Their sizes decide on the following steps. */
const FIRST_ENTRIES = 16;
/** Most entries in one step of a backward read. */
const MAX_ENTRIES = 16_384;

/**
 * Reads the first entries of a range.
 *
 * @throws ServerError DATA_LOSS; the reason of `ending` once it has one
 */
export async function readForward(source: EntrySource, selection: PageSelection, ending: Ending): Promise<ConsumePage> {
  const pages = consume(source, { ...ALL, ...selection, follow: false }, ending);
  return (await firstPage(source, pages)) as ConsumePage;
}

/**
 * Reads the first entries of a range. If there are none yet, waits up to `waitMillis` for the first ones. A waiting
 * call holds a position and no entries.
 *
 * @throws ServerError DATA_LOSS; the reason of `signal` once it is aborted
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
      // The range has ended and stays empty.
      if (page === undefined) break;
      // A page that is not caught up proves that there are more entries, so there is no reason to wait.
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
  // Answers with the latest page that was caught up. If the time was too short for such a page, reads again without
  // waiting.
  return latest ?? (await readForward(source, selection, signal));
}

/**
 * Combines the pages of a read into one page, up to a page for which `isLast` returns true. Returns undefined if the
 * read delivers no further page.
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
      if (bytes > 0 && bytes + cost > PAGE_COST) {
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
 * Reads the last entries of a range, newest first. Positions are dense, so the preceding page is the range that ends
 * before this one. `next` of the page is the last position of that range, or 0 if nothing is left. `caughtUp` is true
 * if nothing is left.
 *
 * @throws ServerError DATA_LOSS; the reason of `ending` once it has one
 */
export async function readBackward(
  source: EntrySource,
  { min, max, minTimeMicros, maxTimeMicros, limit }: PageSelection,
  ending: Ending,
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
      ending.throwIfAborted();
      reads++;
      tail.add(batches, source.visible(batches));
    }
    reads++;
    // Entries may have been removed during the read, and an old view of the storage may have shown them again.
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
   * Takes entries from the end of a scan.
   *
   * @param before last position before the scanned range
   * @returns the last position that is left to read; `before` if everything was taken
   */
  take(tail: Tail, before: number): number {
    let end = before;
    for (const batch of tail.batches.toReversed()) {
      const part = batch.slice(Math.max(0, batch.count - this.#remaining), batch.count);
      const cost = costOf(part);
      if (this.#bytes > 0 && this.#bytes + cost > PAGE_COST) {
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

/** The end of a scan: as many batches as fit on a page, and one more. */
class Tail {
  readonly batches: EncodedBatch[] = [];
  /** True if the scan had more batches than are kept. */
  isCut = false;
  #bytes = 0;
  #seenBytes = 0;
  #seenEntries = 0;

  /**
   * @param seen all scanned batches
   * @param selected the batches of `seen` that the reader wants
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
    while (this.batches.length > 1 && this.#bytes - costOf(this.batches[0]) > PAGE_COST) {
      this.#bytes -= costOf(this.batches[0]);
      this.batches.shift();
      this.isCut = true;
    }
  }

  /** Returns the number of entries to scan next: about as many as fill a page, but at most eight times `before`. */
  worthReading(before: number): number {
    const average = this.#seenEntries === 0 ? 1 : this.#seenBytes / this.#seenEntries;
    return Math.max(1, Math.min(before * 8, Math.ceil(PAGE_COST / average), MAX_ENTRIES));
  }
}

/**
 * Returns the bytes of a batch on a page: its encoded bytes, and a surplus for its JSON form, so that the page fits
 * into a response as JSON too.
 */
export function costOf(batch: EncodedBatch): number {
  return batch.byteLength + 200 + 12 * batch.count;
}
