import type { CommittedTransaction } from "../rows/rows.ts";

/**
 * The results of the latest transactions of a space, by transaction id (G7).
 *
 * Knows whether it is complete for the dedupe window: only when it is not does a transaction have to be looked up in
 * storage. Bounded by count and by bytes; what falls out moves `completeSince` forward.
 */
export class RecentTransactions {
  readonly #byId = new Map<string, CommittedTransaction>();
  readonly #capacity: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #completeSince: number;

  /** @param completeSince every transaction committed later than this is added; microseconds since 1970 */
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
      this.#completeSince = Math.max(this.#completeSince, oldest[1].commitTime);
    }
  }

  /** True when a transaction committed after `time` (microseconds since 1970) can only be here. */
  isCompleteSince(time: number): boolean {
    return this.#completeSince <= time;
  }
}

/** About the bytes that a result takes in memory: its names, and objects around them. */
function weight({ ranges }: CommittedTransaction): number {
  let bytes = 256;
  for (const { segment } of ranges) bytes += 128 + segment.length;
  return bytes;
}
