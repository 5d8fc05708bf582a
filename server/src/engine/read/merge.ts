import type { EncodedBatch } from "../rows/batch.ts";
import { compareNames } from "../rows/key-space.ts";
import { ALL, type ConsumePage, consume, type EntrySource, type Pace, type Selection } from "./consume.ts";
import { PAGE_BYTES, PageMeter } from "./page-size.ts";

/** A page of entries from several spaces. */
export interface MergedPage {
  readonly batches: readonly EncodedBatch[];
  /** Space -> offset to read on from. */
  readonly next: ReadonlyMap<string, number>;
  readonly caughtUp: boolean;
}

/** One of the spaces, and the first offset to read. */
export interface MergeInput {
  readonly space: string;
  readonly source: EntrySource;
  readonly min: number;
}

/**
 * Most bytes of rows that all spaces together keep in memory. A single row may be larger than the part of its space.
 */
const READ_AHEAD_BYTES = 4 * 1024 * 1024;

/**
 * Reads several spaces. Entries committed before the call arrive in the order of their commit times; the space name
 * decides between equal times. With `follow`, later entries arrive as they are committed.
 */
export async function* consumeMerged(
  inputs: readonly MergeInput[],
  selection: Selection,
  signal: AbortSignal,
): AsyncGenerator<MergedPage, void, undefined> {
  const next = new Map<string, number>();
  let remaining = selection.limit;
  const ordered = [...inputs].sort((a, b) => compareNames(a.space, b.space));
  const heads = await Promise.all(ordered.map(async ({ source }) => (await source.sync()).head));
  const pageBytes = Math.min(PAGE_BYTES, Math.ceil(READ_AHEAD_BYTES / ordered.length));
  const pace: Pace = { pageBytes, reserve: () => ({ [Symbol.dispose]: () => undefined }) };
  const histories = ordered.map(({ source, min }, i) =>
    consume(source, { ...selection, limit: ALL.limit, follow: false, min, max: heads[i], pace }, signal),
  );
  const candidates = histories.map((pages, i) => new NextBatch(ordered[i].space, pages, next));

  try {
    await Promise.all(candidates.map((candidate) => candidate.load()));
    let batches: EncodedBatch[] = [];
    const meter = new PageMeter();
    while (remaining > 0) {
      const first = earliest(candidates);
      if (first?.head === undefined) break;
      if (meter.full || meter.overflows(first.head.byteLength)) {
        yield { batches, next: new Map(next), caughtUp: false };
        batches = [];
        meter.reset();
      }
      const batch = first.take(remaining);
      remaining -= batch.count;
      batches.push(batch);
      meter.add(batch.byteLength);
      // The limit may have cut the batch; the reader goes on with the rest of it.
      if (remaining === 0) break;
      await first.load();
    }
    const caughtUp = ordered.every(({ space, source }) => (next.get(space) ?? 0) > source.head);
    yield { batches, next: new Map(next), caughtUp };
  } finally {
    for (const pages of histories) await pages.return();
  }
  if (!selection.follow || remaining <= 0) return;
  yield* live(ordered, { ...selection, limit: remaining }, next, signal);
}

/** The next batch of one space. */
class NextBatch {
  readonly space: string;
  head: EncodedBatch | undefined;
  readonly #pages: AsyncGenerator<ConsumePage>;
  readonly #next: Map<string, number>;
  #queue: readonly EncodedBatch[] = [];
  #index = 0;
  #pageNext = 0;

  constructor(space: string, pages: AsyncGenerator<ConsumePage>, next: Map<string, number>) {
    this.space = space;
    this.#pages = pages;
    this.#next = next;
  }

  /** Sets `head` to the next batch. `head` stays undefined at the end of the space. */
  async load(): Promise<void> {
    while (this.head === undefined) {
      if (this.#index < this.#queue.length) {
        this.head = this.#queue[this.#index++];
        return;
      }
      if (this.#pageNext > 0) this.#next.set(this.space, this.#pageNext);
      const page = await this.#pages.next();
      if (page.done === true) return;
      this.#queue = page.value.batches;
      this.#index = 0;
      this.#pageNext = page.value.next;
      if (this.#queue.length > 0) this.#next.set(this.space, this.#queue[0].firstOffset);
    }
  }

  /** Takes the head, or its first `most` entries. */
  take(most: number): EncodedBatch {
    const batch = (this.head as EncodedBatch).slice(0, most);
    this.#next.set(this.space, batch.lastOffset + 1);
    this.head = undefined;
    return batch;
  }
}

/**
 * Returns the candidate with the earliest head. Candidates are sorted by name, so the first one wins among equal times.
 */
function earliest(candidates: readonly NextBatch[]): NextBatch | undefined {
  let found: NextBatch | undefined;
  for (const candidate of candidates) {
    if (
      candidate.head !== undefined &&
      (found?.head === undefined || candidate.head.commitTimeMicros < found.head.commitTimeMicros)
    ) {
      found = candidate;
    }
  }
  return found;
}

interface Arrival {
  readonly index: number;
  readonly page: IteratorResult<ConsumePage, void>;
}

/** Follows all spaces. One page per space is in flight; pages are delivered in the order of their arrival. */
async function* live(
  inputs: readonly MergeInput[],
  selection: Selection,
  next: Map<string, number>,
  signal: AbortSignal,
): AsyncGenerator<MergedPage, void, undefined> {
  let remaining = selection.limit;
  const end = new AbortController();
  const ending = AbortSignal.any([signal, end.signal]);
  const streams = inputs.map(({ space, source }) =>
    consume(source, { ...selection, limit: ALL.limit, last: 0, min: next.get(space) ?? 1 }, ending),
  );
  // A queue between the streams and this generator. Each stream waits until its page was taken.
  const arrived: Arrival[] = [];
  let failure: { error: unknown } | undefined;
  let wake = () => {};
  const pull = (index: number) => {
    streams[index].next().then(
      (page) => {
        arrived.push({ index, page });
        wake();
      },
      (error) => {
        failure = { error };
        wake();
      },
    );
  };
  inputs.forEach((_, index) => {
    pull(index);
  });
  let open = inputs.length;
  let lastSent = Date.now();
  let allBefore = false;
  try {
    while (open > 0) {
      if (failure !== undefined) throw failure.error;
      const arrival = arrived.shift();
      if (arrival === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (arrived.length > 0 || failure !== undefined) resolve();
        });
        continue;
      }
      const { index, page } = arrival;
      if (page.done === true) {
        open--;
        continue;
      }
      const taken: EncodedBatch[] = [];
      let position = page.value.next;
      for (const batch of page.value.batches) {
        const part = batch.slice(0, remaining);
        taken.push(part);
        remaining -= part.count;
        if (remaining === 0) {
          position = part.lastOffset + 1;
          break;
        }
      }
      next.set(inputs[index].space, position);
      // MRG-010: compares with the current heads, not with the heads at each space's latest page.
      const all = inputs.every(({ space, source }) => (next.get(space) ?? 0) > source.head);
      // Every space sends its own heartbeats; the reader gets one per interval.
      if (taken.length > 0 || (all && !allBefore) || Date.now() - lastSent >= selection.heartbeatMillis) {
        lastSent = Date.now();
        yield { batches: taken, next: new Map(next), caughtUp: all };
      }
      allBefore = all;
      if (remaining === 0) return;
      pull(index);
    }
  } finally {
    // A stream that waits for entries returns only after an abort.
    end.abort();
    await Promise.allSettled(streams.map((stream) => stream.return()));
  }
}
