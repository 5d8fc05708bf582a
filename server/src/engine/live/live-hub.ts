import { type Evictable, type MemoryBudget, ringBudget } from "../../memory-budget.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { type SegmentFilter, StatusSubscription } from "./status-feed.ts";

/** The position that orders the batches of a feed. */
export type FeedOrder = "sequence" | "offset";

/** Most bytes of recent batches that a feed keeps for followers that are slightly behind. */
const RING_BYTES = 4 * 1024 * 1024;
const RING_BATCHES = 8_192;

/**
 * The latest batches of a followed segment or space in a bounded ring, and the followers that wait for more (G10).
 *
 * Positions are dense, so the hand-over between storage and ring is exact. A follower at a position reads from the ring
 * if the ring still has that position, and from storage otherwise. A follower that falls behind the ring continues from
 * storage.
 */
export class LiveFeed implements Evictable {
  readonly #order: FeedOrder;
  readonly #budget: MemoryBudget;
  readonly #ring: EncodedBatch[] = [];
  #ringHead = 0;
  #bytes = 0;
  /** First position that the ring can serve; the largest number until a batch is published. */
  #start = Number.MAX_SAFE_INTEGER;
  #published = 0;
  readonly #waiting = new Set<() => void>();
  followers = 0;

  constructor(order: FeedOrder, budget: MemoryBudget = ringBudget) {
    this.#order = order;
    this.#budget = budget;
  }

  /** Bytes of the batches in the ring. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The last published position; 0 before the first. */
  get published(): number {
    return this.#published;
  }

  publish(batch: EncodedBatch): void {
    if (this.#start === Number.MAX_SAFE_INTEGER) this.#start = this.#first(batch);
    this.#ring.push(batch);
    this.#bytes += batch.byteLength;
    this.#published = this.#last(batch);
    while (this.#bytes > RING_BYTES || this.#ring.length - this.#ringHead > RING_BATCHES) this.dropOldest();
    this.#budget.grown(this);
  }

  /** Empties the ring. Followers continue from storage. */
  reset(): void {
    this.#ring.length = 0;
    this.#ringHead = 0;
    this.#bytes = 0;
    this.#start = Number.MAX_SAFE_INTEGER;
    this.#budget.emptied(this);
  }

  /** Wakes all waiting followers. Called once per commit, after all batches of the commit were published. */
  wake(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  /** Calls back at the next wake. Returns a function that cancels the callback. */
  onWake(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /**
   * Returns batches from `position` on. The first batch may begin before `position`.
   *
   * @param maxBytes the batches stop at the first one that reaches this size
   * @returns undefined if the ring no longer has the position; an empty array if the position is not published yet
   */
  read(position: number, maxBytes: number): EncodedBatch[] | undefined {
    if (position < this.#start) return undefined;
    if (position > this.#published) return [];
    let low = this.#ringHead;
    let high = this.#ring.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#last(this.#ring[middle]) < position) low = middle + 1;
      else high = middle;
    }
    const result: EncodedBatch[] = [];
    for (let bytes = 0; low < this.#ring.length && bytes < maxBytes; low++) {
      result.push(this.#ring[low]);
      bytes += this.#ring[low].byteLength;
    }
    return result;
  }

  /** Drops the oldest batch. Followers that need it read it from storage. */
  dropOldest(): void {
    const oldest = this.#ring[this.#ringHead];
    (this.#ring as (EncodedBatch | undefined)[])[this.#ringHead++] = undefined;
    this.#bytes -= oldest.byteLength;
    this.#start = this.#last(oldest) + 1;
    if (this.#ringHead > 1_024 && this.#ringHead * 2 > this.#ring.length) {
      this.#ring.splice(0, this.#ringHead);
      this.#ringHead = 0;
    }
  }

  #first(batch: EncodedBatch): number {
    return this.#order === "sequence" ? batch.firstSequence : batch.firstOffset;
  }

  #last(batch: EncodedBatch): number {
    return this.#order === "sequence" ? batch.lastSequence : batch.lastOffset;
  }
}

/** A follower's hold on a feed. The feed lives while it has followers. */
export interface Subscription extends Disposable {
  readonly feed: LiveFeed;
}

/**
 * The live side of one space: one feed for the space, one feed per followed segment, and the subscribers to segment
 * statuses. A feed exists only while it has followers. The hub receives every commit that this instance learns of, in
 * offset order.
 */
export class LiveHub {
  #space: LiveFeed | undefined;
  readonly #segments = new Map<string, LiveFeed>();
  readonly #statuses = new Set<StatusSubscription>();

  /** Number of subscribers that need to learn of every commit. */
  get followers(): number {
    return this.#feeds().reduce((count, feed) => count + feed.followers, this.#statuses.size);
  }

  subscribeToSpace(): Subscription {
    this.#space ??= new LiveFeed("offset");
    return hold(this.#space, () => {
      this.#space?.reset();
      this.#space = undefined;
    });
  }

  subscribeToSegment(segment: string): Subscription {
    let feed = this.#segments.get(segment);
    if (feed === undefined) {
      feed = new LiveFeed("sequence");
      this.#segments.set(segment, feed);
    }
    const held = feed;
    return hold(held, () => {
      held.reset();
      this.#segments.delete(segment);
    });
  }

  subscribeToStatus(filter: SegmentFilter): StatusSubscription {
    const subscription = new StatusSubscription(filter, () => this.#statuses.delete(subscription));
    this.#statuses.add(subscription);
    return subscription;
  }

  /**
   * Tells status subscribers which segments have changed.
   *
   * @param changed returns the changed segments, or undefined if any segment may have changed
   */
  touch(changed: () => readonly string[] | undefined): void {
    if (this.#statuses.size === 0) return;
    const segments = changed();
    for (const subscription of this.#statuses) subscription.touch(segments);
  }

  /** Empties all rings. Followers read the batches published so far from storage. */
  forget(): void {
    for (const feed of this.#feeds()) feed.reset();
  }

  /** Wakes all followers. They then look for commits that were not published here. */
  wake(): void {
    for (const feed of this.#feeds()) feed.wake();
  }

  /** Publishes the batches of a commit, in offset order, and wakes the followers of their segments and of the space. */
  publish(published: readonly EncodedBatch[]): void {
    if (published.length === 0 || (this.#space === undefined && this.#segments.size === 0)) return;
    const isFollowed = (batch: EncodedBatch) => this.#space !== undefined || this.#segments.has(batch.segment);
    // A batch may refer to a larger buffer, such as a request or a row. The ring must keep only the bytes of the batch.
    const batches = published.filter(isFollowed).map((batch) => batch.compact());
    if (this.#segments.size > 0) {
      const touched = new Set<LiveFeed>();
      for (const batch of batches) {
        const feed = this.#segments.get(batch.segment);
        if (feed === undefined) continue;
        feed.publish(batch);
        touched.add(feed);
      }
      for (const feed of touched) feed.wake();
    }
    if (this.#space !== undefined) {
      for (const batch of batches) this.#space.publish(batch);
      this.#space.wake();
    }
  }

  #feeds(): LiveFeed[] {
    return [...this.#segments.values(), ...(this.#space === undefined ? [] : [this.#space])];
  }
}

function hold(feed: LiveFeed, last: () => void): Subscription {
  feed.followers++;
  let held = true;
  return {
    feed,
    [Symbol.dispose]() {
      if (!held) return;
      held = false;
      if (--feed.followers === 0) last();
    },
  };
}
