import type { AppendEvent, ReadEntry, ReadEvent } from "./event.ts";
import type { Trims } from "./trims.ts";

/**
 * Everything that is known to have been written to a space, in order: what readers received, all of them put together,
 * and what writers were told about entries that were trimmed before anybody read them.
 *
 * Of readers that disagree, those that come first are believed; the others then differ from the log.
 */
export class KnownLog {
  /** By offset. */
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

  /** The entries of a segment, or, without one, of the space. */
  view(segment: string | undefined): readonly ReadEntry[] {
    return segment === undefined ? this.entries : (this.#bySegment.get(segment) ?? []);
  }

  /** Where a record is; in more than one place if it was written more than once. */
  places(segment: string, payload: string): readonly ReadEntry[] {
    return this.#byName.get(`${segment} ${payload}`) ?? [];
  }

  /** The first entry of a transaction. */
  firstOf(transactionId: string): ReadEntry | undefined {
    return this.#firstOf.get(transactionId);
  }

  /** The last sequence of a segment when the space ended with `offset`. */
  lastSequence(segment: string, offset: number): number {
    const view = this.view(segment);
    return view[countUntil(view, (entry) => entry.offset <= offset) - 1]?.sequence ?? 0;
  }

  /** Whether some transaction left the segment with this last sequence. */
  isBoundary(segment: string, sequence: number): boolean {
    if (sequence === 0) return true;
    const view = this.view(segment);
    const index = countUntil(view, (entry) => entry.sequence < sequence);
    return view[index]?.sequence === sequence && view[index + 1]?.transactionId !== view[index].transactionId;
  }
}

/**
 * How many elements at the start satisfy a condition that holds for all up to one place, and for none from there on.
 */
export function countUntil<T>(sorted: readonly T[], holds: (element: T) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(sorted[middle]!)) low = middle + 1;
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

/** The entries that a writer was told to have written. */
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
