/** A cache or a ring that can give up the part that it needs least. */
export interface Evictable {
  /** Bytes that it holds. */
  readonly bytes: number;
  /** Gives up its oldest part. Does nothing if it is empty. */
  dropOldest(): void;
}

const MIB = 1024 * 1024;

/**
 * Bounds the memory of many caches together. Each of them has a bound of its own, but their number grows with all
 * stores, spaces and segments in use. Beyond the budget, the cache with the oldest last write drops its oldest parts;
 * its users read them from storage.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  /** Cache -> its bytes, in the order of the last write. */
  readonly #members = new Map<Evictable, number>();
  #bytes = 0;

  /** @param maxBytes most bytes of all members together */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of all members together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Accounts for a member that was just written. May take parts of any member, also of this one. */
  grown(member: Evictable): void {
    this.#bytes -= this.#members.get(member) ?? 0;
    this.#members.delete(member);
    this.#members.set(member, member.bytes);
    this.#bytes += member.bytes;
    if (this.#bytes <= this.#maxBytes) return;
    for (const [coldest] of this.#members) {
      // The member may have given up parts by itself.
      this.#shrunk(coldest);
      while (this.#bytes > this.#maxBytes && coldest.bytes > 0) {
        coldest.dropOldest();
        this.#shrunk(coldest);
      }
      if (coldest.bytes === 0) this.#members.delete(coldest);
      if (this.#bytes <= this.#maxBytes) return;
    }
  }

  /** Accounts for a member that was emptied or removed. */
  emptied(member: Evictable): void {
    this.#bytes -= this.#members.get(member) ?? 0;
    this.#members.delete(member);
  }

  #shrunk(member: Evictable): void {
    this.#bytes -= (this.#members.get(member) ?? 0) - member.bytes;
    this.#members.set(member, member.bytes);
  }
}

/**
 * The budget of all live rings of the process. All stores and embedded servers of a process share its memory, so they
 * share the budget.
 */
export const ringBudget = new MemoryBudget(64 * MIB);

/**
 * The budget of all that the process keeps to save reads of storage: heads of segments, results of recent transactions,
 * versions of rows.
 */
export const cacheBudget = new MemoryBudget(64 * MIB);
