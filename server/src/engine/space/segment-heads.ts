import { LRUCache } from "lru-cache";
import { cacheBudget, type Evictable, type MemoryBudget } from "../../memory-budget.ts";
import type { SegmentHead } from "../rows/heads.ts";

/** Most bytes of cached heads per space: some 60,000 heads. Heads that are not cached are read when needed. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Bytes of a head in memory, with its place in the cache and without its name. Measured with Node.js 24. */
const HEAD_BYTES = 240;

/**
 * The heads of the segments of one space that were used last.
 *
 * Any head may be gone at any time, as all spaces share a budget: a caller that needs several heads together takes them
 * in one turn of the event loop.
 */
export class SegmentHeads implements Evictable {
  // Bounded by size: a bound by count reserves its memory at once (6 ms and 1.4 MB per space).
  readonly #heads = new LRUCache<string, SegmentHead>({
    maxSize: MAX_BYTES,
    sizeCalculation: (_, segment) => HEAD_BYTES + segment.length,
  });
  readonly #budget: MemoryBudget;

  constructor(budget: MemoryBudget = cacheBudget) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#heads.calculatedSize;
  }

  get(segment: string): SegmentHead | undefined {
    return this.#heads.get(segment);
  }

  set(segment: string, head: SegmentHead): void {
    this.#heads.set(segment, head);
    this.#budget.grown(this);
  }

  delete(segment: string): void {
    this.#heads.delete(segment);
  }

  clear(): void {
    this.#heads.clear();
    this.#budget.emptied(this);
  }

  dropOldest(): void {
    this.#heads.pop();
  }
}
