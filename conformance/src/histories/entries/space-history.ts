import type { AppendEvent, Event, ReadEntry, ReadEvent, StatusEvent, TrimEvent } from "./event.ts";
import { countUntil, KnownLog } from "./known-log.ts";
import { Trims } from "./trims.ts";

/** A promise that a history breaks. */
export interface Violation {
  readonly clause: string;
  readonly what: string;
}

/** The history of one space, prepared for the rules. */
export class SpaceHistory {
  readonly space: string;
  readonly appends: readonly AppendEvent[];
  /** All calls of each transaction, by its id. */
  readonly transactions: ReadonlyMap<string, readonly AppendEvent[]>;
  readonly reads: readonly ReadEvent[];
  readonly statuses: readonly StatusEvent[];
  readonly trims: Trims;
  readonly log: KnownLog;
  /** The entries present at the end: those of the last complete read of the whole space. */
  readonly rest: readonly ReadEntry[];
  /** From each time on, the space was known to reach at least this offset. Both values rise. */
  readonly #known: readonly { readonly time: number; readonly offset: number }[];

  /** @throws Error if there is no complete read of the space */
  constructor(space: string, events: readonly Event[]) {
    this.space = space;
    this.appends = events.filter((event) => event.kind === "append");
    this.transactions = Map.groupBy(this.appends, ({ transactionId }) => transactionId);
    this.reads = events.filter((event) => event.kind === "read");
    this.statuses = events.filter((event) => event.kind === "status");
    this.trims = new Trims(events.filter((event): event is TrimEvent => event.kind === "trim"));
    const last = this.reads.findLast((read) => read.complete && read.segment === undefined && read.from === 1);
    if (last === undefined) throw new Error(`the history has no complete read of ${space}`);
    this.rest = last.entries;
    this.log = new KnownLog([last, ...this.reads], this.appends, this.trims);
    this.#known = knownOffsets(this.appends, this.reads);
  }

  /**
   * Returns the offset that the space was known to reach at a time, from answers and reads that ended before it (G5).
   */
  knownOffset(time: number): number {
    return this.#known[countUntil(this.#known, (known) => known.time < time) - 1]?.offset ?? 0;
  }

  /** True if a segment had this last sequence when the space ended at `offset`. */
  stoodAt(segment: string, offset: number, sequence: number): boolean {
    const found = this.log.lastSequence(segment, offset);
    // No one knows the entries that were trimmed before any reader saw them.
    return found === sequence || (found < sequence && sequence < this.trims.possible(segment));
  }

  /** True if a segment may have had this last sequence at some moment after `start`. */
  mayStandAt(segment: string, sequence: number, start: number): boolean {
    if (sequence < this.log.lastSequence(segment, this.knownOffset(start))) return false;
    return this.log.isBoundary(segment, sequence) || sequence < this.trims.possible(segment);
  }
}

function knownOffsets(appends: readonly AppendEvent[], reads: readonly ReadEvent[]) {
  const told = appends.flatMap(({ end, parts, outcome }) => {
    if (outcome.is !== "acked") return [];
    const lasts = outcome.ranges.map(({ segment, firstOffset }) => {
      const count = parts.find((part) => part.segment === segment)?.payloads.length ?? 0;
      return count === 0 ? 0 : firstOffset + count - 1;
    });
    return [{ time: end, offset: Math.max(0, ...lasts) }];
  });
  // Entries are in order, so the last one has the highest offset.
  const read = reads.map(({ end, entries }) => ({ time: end, offset: entries.at(-1)?.offset ?? 0 }));
  let highest = 0;
  return [...told, ...read]
    .sort((a, b) => a.time - b.time)
    .map(({ time, offset }) => {
      highest = Math.max(highest, offset);
      return { time, offset: highest };
    });
}
