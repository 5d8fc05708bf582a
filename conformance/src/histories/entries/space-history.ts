import type { AppendEvent, Event, ReadEntry, ReadEvent, StatusEvent, TrimEvent } from "./event.ts";
import { countUntil, KnownLog } from "./known-log.ts";
import { Trims } from "./trims.ts";

/** A promise that a history breaks. */
export interface Violation {
  readonly clause: string;
  readonly what: string;
}

/** The history of one space, prepared for the rules that look at it. */
export class SpaceHistory {
  readonly space: string;
  readonly appends: readonly AppendEvent[];
  /** All calls of each transaction, by its id. */
  readonly transactions: ReadonlyMap<string, readonly AppendEvent[]>;
  readonly reads: readonly ReadEvent[];
  readonly statuses: readonly StatusEvent[];
  readonly trims: Trims;
  readonly log: KnownLog;
  /** What was there in the end: the last complete read of the whole space. */
  readonly rest: readonly ReadEntry[];
  /** The space was known to reach at least to an offset, from a time on. Both rise. */
  readonly #known: readonly { readonly time: number; readonly offset: number }[];

  /** @throws Error without a complete read of the space */
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

  /** The offset that the space was known to reach at a time: somebody had been told, or had read it (G5). */
  knownOffset(time: number): number {
    return this.#known[countUntil(this.#known, (known) => known.time < time) - 1]?.offset ?? 0;
  }

  /** Whether a segment had a last sequence when the space ended with `offset`. */
  stoodAt(segment: string, offset: number, sequence: number): boolean {
    const found = this.log.lastSequence(segment, offset);
    // What was trimmed before anybody saw it, nobody knows.
    return found === sequence || (found < sequence && sequence < this.trims.possible(segment));
  }

  /** Whether a segment may have had a last sequence at some moment from `start` on. */
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
  // Entries come in order, so the last one is the highest.
  const read = reads.map(({ end, entries }) => ({ time: end, offset: entries.at(-1)?.offset ?? 0 }));
  let highest = 0;
  return [...told, ...read]
    .sort((a, b) => a.time - b.time)
    .map(({ time, offset }) => {
      highest = Math.max(highest, offset);
      return { time, offset: highest };
    });
}
