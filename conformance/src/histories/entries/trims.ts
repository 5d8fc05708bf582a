import type { TrimEvent } from "./event.ts";

/** The trims of a space: the sequences that they have certainly removed, and those that they may have removed. */
export class Trims {
  readonly #bySegment: ReadonlyMap<string, readonly TrimEvent[]>;

  constructor(trims: readonly TrimEvent[]) {
    this.#bySegment = Map.groupBy(trims, ({ segment }) => segment);
  }

  /**
   * Returns the lowest sequence that was certainly still present at a time: no trim that began before it asked to
   * remove more.
   */
  possible(segment: string, time = Number.POSITIVE_INFINITY): number {
    return this.#highest(segment, ({ start }) => start < time);
  }

  /**
   * Returns the lowest sequence that may still have been present at a time: the trims acknowledged before it have
   * removed all lower ones.
   */
  certain(segment: string, time: number): number {
    return this.#highest(segment, ({ acked, end }) => acked && end < time);
  }

  #highest(segment: string, counts: (trim: TrimEvent) => boolean): number {
    const befores = (this.#bySegment.get(segment) ?? []).filter(counts).map(({ before }) => before);
    return Math.max(1, ...befores);
  }
}
