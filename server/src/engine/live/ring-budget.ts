/** A ring that can give up its oldest batch. */
export interface Ring {
  /** Bytes that it holds. */
  readonly bytes: number;
  dropOldest(): void;
}

/** Bytes that all live rings of the process hold together. */
const MAX_RING_BYTES = 64 * 1024 * 1024;

/**
 * What all live rings together may hold: each is bounded, and there is one for every followed segment. Beyond the
 * budget, the ring that was written least recently gives up its oldest batches; its followers read those from storage.
 */
export class RingBudget {
  readonly #maxBytes: number;
  /** By the time of their latest batch. */
  readonly #rings = new Map<Ring, number>();
  #bytes = 0;

  constructor(maxBytes = MAX_RING_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A ring got a batch, which is its latest. */
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

  /** A ring is empty, or gone. */
  emptied(ring: Ring): void {
    this.#bytes -= this.#rings.get(ring) ?? 0;
    this.#rings.delete(ring);
  }

  #shrunk(ring: Ring): void {
    this.#bytes -= (this.#rings.get(ring) ?? 0) - ring.bytes;
    this.#rings.set(ring, ring.bytes);
  }
}

/** The one budget of the process: memory is the process's, whatever number of stores and instances share it. */
export const ringBudget = new RingBudget();
