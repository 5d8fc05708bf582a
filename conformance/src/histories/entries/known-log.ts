import type { AppendEvent, ReadEntry, ReadEvent } from "./event.ts";
import type { Trims } from "./trims.ts";

/**
 * All entries that are known to have been written to a space, in order. The sources are the entries of all readers and,
 * for entries that were trimmed before a reader saw them, the answers to writers.
 *
 * If readers disagree, the first reader has precedence; the others then differ from the log.
 */
export class KnownLog {
  /** Entries by offset. */
  readonly entries: readonly ReadEntry[];
  readonly #bySegment: ReadonlyMap<string, readonly ReadEntry[]>;
  readonly #byName: ReadonlyMap<string, readonly ReadEntry[]>;
  readonly #firstOf: ReadonlyMap<string, ReadEntry>;

  constructor(reads: readonly ReadEvent[], appends: readonly AppendEvent[], trims: Trims) {
    const byOffset = new Map<number, ReadEntry>();
    for (const { entries } of reads) {
      for (const entry of entries) if (!byOffset.has(entry.offset)) byOffset.set(entry.offset, entry);
    }
    const seen = new Set([...byOffset.values()].map(nameOf));
    for (const entry of appends.flatMap(toldEntries)) {
      const unread = !seen.has(nameOf(entry)) && !byOffset.has(entry.offset);
      if (unread && entry.sequence < trims.possible(entry.segment)) byOffset.set(entry.offset, entry);
    }
    this.entries = [...byOffset.values()].sort((a, b) => a.offset - b.offset);
    this.#bySegment = Map.groupBy(this.entries, ({ segment }) => segment);
    this.#byName = Map.groupBy(this.entries, nameOf);
    const firstOf = new Map<string, ReadEntry>();
    for (const entry of this.entries) if (!firstOf.has(entry.transactionId)) firstOf.set(entry.transactionId, entry);
    this.#firstOf = firstOf;
  }

  /** Returns the entries of a segment; those of the whole space without one. */
  view(segment: string | undefined): readonly ReadEntry[] {
    return segment === undefined ? this.entries : (this.#bySegment.get(segment) ?? []);
  }

  /** Returns the entries with a payload: several if the record was written more than once. */
  places(segment: string, payload: string): readonly ReadEntry[] {
    return this.#byName.get(`${segment} ${payload}`) ?? [];
  }

  /** Returns the first entry of a transaction. */
  firstOf(transactionId: string): ReadEntry | undefined {
    return this.#firstOf.get(transactionId);
  }

  /** Returns the last sequence of a segment when the space ended at `offset`. */
  lastSequence(segment: string, offset: number): number {
    const view = this.view(segment);
    return view[countUntil(view, (entry) => entry.offset <= offset) - 1]?.sequence ?? 0;
  }

  /** True if the segment had this last sequence after some transaction. */
  isBoundary(segment: string, sequence: number): boolean {
    if (sequence === 0) return true;
    const view = this.view(segment);
    const index = countUntil(view, (entry) => entry.sequence < sequence);
    return view[index]?.sequence === sequence && view[index + 1]?.transactionId !== view[index].transactionId;
  }
}

/**
 * Returns the number of elements at the start that satisfy a condition. The condition must hold for all elements up to
 * some index and for none after it.
 */
export function countUntil<T>(sorted: readonly T[], holds: (element: T) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(sorted[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function nameOf(entry: { readonly segment: string; readonly payload: string }): string {
  return `${entry.segment} ${entry.payload}`;
}

export function positionOf(entry: ReadEntry, segment: string | undefined): number {
  return segment === undefined ? entry.offset : entry.sequence;
}

/** Returns the entries that an acknowledgement says were written. */
function toldEntries({ parts, outcome, transactionId }: AppendEvent): ReadEntry[] {
  if (outcome.is !== "acked") return [];
  const { number, micros, ranges } = outcome;
  return ranges.flatMap(({ segment, firstSequence, firstOffset }) => {
    const payloads = parts.find((part) => part.segment === segment)?.payloads ?? [];
    return payloads.map((payload, index) => ({
      segment,
      payload,
      sequence: firstSequence + index,
      offset: firstOffset + index,
      transactionId,
      number,
      micros,
    }));
  });
}
