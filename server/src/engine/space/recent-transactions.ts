import type { CommittedTransaction } from "../rows/rows.ts";

/**
 * The results of the latest transactions of a space, by transaction id (G7).
 *
 * The cache knows since when it is complete. A transaction must be looked up in storage only if the cache is incomplete
 * for the dedupe window. The cache is bounded by count and by bytes; an evicted result moves `completeSince` forward.
 */
export class RecentTransactions {
  readonly #byId = new Map<string, CommittedTransaction>();
  readonly #capacity: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #completeSince: number;

  /** @param completeSince every transaction committed later is added; microseconds since 1970 */
  constructor(completeSince: number, capacity = 16_384, maxBytes = 8 * 1024 * 1024) {
    this.#completeSince = completeSince;
    this.#capacity = capacity;
    this.#maxBytes = maxBytes;
  }

  get(id: string): CommittedTransaction | undefined {
    return this.#byId.get(id);
  }

  add(id: string, transaction: CommittedTransaction): void {
    const before = this.#byId.get(id);
    if (before !== undefined) this.#bytes -= weight(before);
    this.#byId.set(id, transaction);
    this.#bytes += weight(transaction);
    while (this.#byId.size > this.#capacity || this.#bytes > this.#maxBytes) {
      const oldest = this.#byId.entries().next().value as [string, CommittedTransaction];
      this.#byId.delete(oldest[0]);
      this.#bytes -= weight(oldest[1]);
      this.#completeSince = Math.max(this.#completeSince, oldest[1].commitTimeMicros);
    }
  }

  /** True if the cache holds every transaction committed after `timeMicros` (since 1970). */
  isCompleteSince(timeMicros: number): boolean {
    return this.#completeSince <= timeMicros;
  }
}

/** Approximate bytes of a result in memory: its names and the objects around them. */
function weight({ ranges }: CommittedTransaction): number {
  let bytes = 256;
  for (const { segment } of ranges) bytes += 128 + segment.length;
  return bytes;
}
