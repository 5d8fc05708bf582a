import type { CommittedTransaction } from "./rows.ts";

/**
 * The results of the latest transactions of a space, by transaction id (G7).
 *
 * Knows whether it is complete for the dedupe window: only when it is not does a transaction have to be looked up in
 * storage. Bounded by count; what falls out moves `completeSince` forward.
 */
export class RecentTransactions {
  readonly #byId = new Map<string, CommittedTransaction>();
  readonly #capacity: number;
  #completeSince: number;

  /** @param completeSince every transaction committed later than this is added; microseconds since 1970 */
  constructor(completeSince: number, capacity = 16_384) {
    this.#completeSince = completeSince;
    this.#capacity = capacity;
  }

  get(id: string): CommittedTransaction | undefined {
    return this.#byId.get(id);
  }

  add(id: string, transaction: CommittedTransaction): void {
    this.#byId.set(id, transaction);
    if (this.#byId.size > this.#capacity) {
      const oldest = this.#byId.entries().next().value as [string, CommittedTransaction];
      this.#byId.delete(oldest[0]);
      this.#completeSince = Math.max(this.#completeSince, oldest[1].commitTime);
    }
  }

  /** True when a transaction committed after `time` (microseconds since 1970) can only be here. */
  isCompleteSince(time: number): boolean {
    return this.#completeSince <= time;
  }
}
