import { cacheBudget, type Evictable, type MemoryBudget } from "../../memory-budget.ts";
import type { CommittedTransaction } from "../rows/rows.ts";

/**
 * The results of the latest transactions of a space, by transaction id (G7).
 *
 * The cache knows since when it is complete. A transaction must be looked up in storage only if the cache is incomplete
 * for the dedupe window. The cache is bounded by count and by bytes, and all spaces share a budget: any result may be
 * gone at any time. An evicted result moves `completeSince` forward.
 */
export class RecentTransactions implements Evictable {
  readonly #byId = new Map<string, CommittedTransaction>();
  readonly #capacity: number;
  readonly #maxBytes: number;
  readonly #budget: MemoryBudget;
  #bytes = 0;
  #completeSince: number;

  /** @param completeSince every transaction committed later is added; microseconds since 1970 */
  constructor(
    completeSince: number,
    capacity = 16_384,
    maxBytes = 12 * 1024 * 1024,
    budget: MemoryBudget = cacheBudget,
  ) {
    this.#completeSince = completeSince;
    this.#capacity = capacity;
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(id: string): CommittedTransaction | undefined {
    return this.#byId.get(id);
  }

  add(id: string, transaction: CommittedTransaction): void {
    const before = this.#byId.get(id);
    if (before !== undefined) this.#bytes -= weight(before);
    this.#byId.set(id, transaction);
    this.#bytes += weight(transaction);
    while (this.#byId.size > this.#capacity || this.#bytes > this.#maxBytes) this.dropOldest();
    this.#budget.grown(this);
  }

  dropOldest(): void {
    for (const [id, transaction] of this.#byId) {
      this.#byId.delete(id);
      this.#bytes -= weight(transaction);
      this.#completeSince = Math.max(this.#completeSince, transaction.commitTimeMicros);
      return;
    }
  }

  /** Gives its memory back. For a cache that is used no more. */
  close(): void {
    this.#budget.emptied(this);
  }

  /** True if the cache holds every transaction committed after `timeMicros` (since 1970). */
  isCompleteSince(timeMicros: number): boolean {
    return this.#completeSince <= timeMicros;
  }
}

/** Bytes of a result in memory: its names and the objects around them. Measured with Node.js 24. */
function weight({ ranges }: CommittedTransaction): number {
  let bytes = 520;
  for (const { segment } of ranges) bytes += 200 + segment.length;
  return bytes;
}
