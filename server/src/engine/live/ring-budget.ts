/** A ring that can give up its oldest batch. */
export interface Ring {
  /** Bytes of the batches in the ring. */
  readonly bytes: number;
  dropOldest(): void;
}

/** Most bytes that all live rings of the process hold together. */
const MAX_RING_BYTES = 64 * 1024 * 1024;

/**
 * Bounds the memory of all live rings together. Each ring is bounded, but every followed segment has one. Beyond the
 * budget, the ring with the oldest last write drops its oldest batches; its followers read them from storage.
 */
export class RingBudget {
  readonly #maxBytes: number;
  /** Ring -> its bytes, in the order of the last write. */
  readonly #rings = new Map<Ring, number>();
  #bytes = 0;

  constructor(maxBytes = MAX_RING_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Accounts for a ring that has just received a batch. */
  grown(ring: Ring): void {
    this.#bytes -= this.#rings.get(ring) ?? 0;
    this.#rings.delete(ring);
    this.#rings.set(ring, ring.bytes);
    this.#bytes += ring.bytes;
    for (const [coldest] of this.#rings) {
      while (this.#bytes > this.#maxBytes && coldest.bytes > 0) {
        coldest.dropOldest();
        this.#shrunk(coldest);
      }
      if (coldest.bytes === 0) this.#rings.delete(coldest);
      if (this.#bytes <= this.#maxBytes) return;
    }
  }

  /** Accounts for a ring that was emptied or removed. */
  emptied(ring: Ring): void {
    this.#bytes -= this.#rings.get(ring) ?? 0;
    this.#rings.delete(ring);
  }

  #shrunk(ring: Ring): void {
    this.#bytes -= (this.#rings.get(ring) ?? 0) - ring.bytes;
    this.#rings.set(ring, ring.bytes);
  }
}

/**
 * The budget of the process. All stores and embedded servers of a process share its memory, so they share the budget.
 */
export const ringBudget = new RingBudget();
