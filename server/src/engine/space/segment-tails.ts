import { cacheBudget, type Evictable, type MemoryBudget } from "../../memory-budget.ts";
import type { ConsumePage } from "../read/consume.ts";
import { SegmentTail } from "../read/segment-tail.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { secondReads } from "./second-reads.ts";

/** Most bytes of tails per space. The rest of the budget of the process stays for heads and results. */
const MAX_BYTES = 48 * 1024 * 1024;

/**
 * The tails of the segments of one space that were read last, so that a load of a segment in use reads no rows.
 *
 * A tail begins with the second read of its segment, and grows with the commits that this instance learns of. Any tail
 * may be gone at any time, as all spaces share a budget.
 */
export class SegmentTails implements Evictable {
  /** Segment -> tail, least recently read first. */
  readonly #tails = new Map<string, SegmentTail>();
  readonly #maxBytes: number;
  readonly #budget: MemoryBudget;
  readonly #salt = secondReads.salt();
  #bytes = 0;
  #closed = false;

  constructor(maxBytes = MAX_BYTES, budget: MemoryBudget = cacheBudget) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the tail of a segment, if there is one. */
  peek(segment: string): SegmentTail | undefined {
    return this.#tails.get(segment);
  }

  /** Returns the tail of a segment for a read, which makes it the last one to be dropped. */
  get(segment: string): SegmentTail | undefined {
    const tail = this.#tails.get(segment);
    if (tail === undefined) return undefined;
    this.#tails.delete(segment);
    this.#tails.set(segment, tail);
    this.#budget.grown(this);
    return tail;
  }

  /**
   * Keeps the entries of a page that ends at the last entry of its segment, if the segment is read for a second time.
   *
   * @param min first sequence that the page was to have
   */
  offer(segment: string, min: number, page: ConsumePage): void {
    if (this.#closed || !secondReads.isSecond(this.#salt, segment)) return;
    const tail = SegmentTail.of(min, page);
    if (tail === undefined) return;
    this.#remove(segment);
    this.#tails.set(segment, tail);
    this.#bytes += sizeOf(segment, tail);
    this.#settle();
  }

  /** Adds a committed batch to the tail of its segment, unless the tail lacks earlier batches. */
  add(batch: EncodedBatch): void {
    const { segment } = batch;
    const tail = this.#tails.get(segment);
    if (tail === undefined || tail.next !== batch.firstSequence) return;
    const before = tail.byteLength;
    if (tail.add(batch)) {
      this.#bytes += tail.byteLength - before;
      this.#settle();
    } else {
      this.delete(segment);
    }
  }

  delete(segment: string): void {
    if (this.#remove(segment)) this.#budget.grown(this);
  }

  clear(): void {
    this.#tails.clear();
    this.#bytes = 0;
    this.#budget.emptied(this);
  }

  /** Gives the memory back, and keeps nothing from now on. */
  close(): void {
    this.#closed = true;
    this.clear();
  }

  dropOldest(): void {
    for (const segment of this.#tails.keys()) {
      this.#remove(segment);
      return;
    }
  }

  #settle(): void {
    while (this.#bytes > this.#maxBytes) this.dropOldest();
    this.#budget.grown(this);
  }

  #remove(segment: string): boolean {
    const tail = this.#tails.get(segment);
    if (tail === undefined) return false;
    this.#tails.delete(segment);
    this.#bytes -= sizeOf(segment, tail);
    return true;
  }
}

function sizeOf(segment: string, tail: SegmentTail): number {
  return tail.byteLength + segment.length;
}
