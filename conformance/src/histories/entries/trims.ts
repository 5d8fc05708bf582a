import type { TrimEvent } from "./event.ts";

/** What the trims of a space removed: surely, and possibly. */
export class Trims {
  readonly #bySegment: ReadonlyMap<string, readonly TrimEvent[]>;

  constructor(trims: readonly TrimEvent[]) {
    this.#bySegment = Map.groupBy(trims, ({ segment }) => segment);
  }

  /** The first sequence that was certainly left at a time: no trim that began before it asked for more. */
  possible(segment: string, time = Number.POSITIVE_INFINITY): number {
    return this.#highest(segment, ({ start }) => start < time);
  }

  /** The first sequence that was left at most: trims acknowledged before that time have removed what is below. */
  certain(segment: string, time: number): number {
    return this.#highest(segment, ({ acked, end }) => acked && end < time);
  }

  #highest(segment: string, counts: (trim: TrimEvent) => boolean): number {
    const befores = (this.#bySegment.get(segment) ?? []).filter(counts).map(({ before }) => before);
    return Math.max(1, ...befores);
  }
}
