import type { EncodedBatch } from "../rows/batch.ts";
import { type Ring, type RingBudget, ringBudget } from "./ring-budget.ts";
import { type SegmentFilter, StatusSubscription } from "./status-feed.ts";

/** Which of its two positions orders the batches of a feed. */
export type FeedOrder = "sequence" | "offset";

/** Bytes of recent batches that a feed keeps for followers that are a little behind. */
const RING_BYTES = 4 * 1024 * 1024;
const RING_BATCHES = 8_192;

/**
 * The latest batches of a followed segment or space: a bounded ring, and those who wait for more (G10).
 *
 * Positions are dense, so hand-over between storage and ring is exact: a follower at position p reads from the ring
 * when p is not before its start, and from storage otherwise. One that falls off the ring just goes back to storage.
 */
export class LiveFeed implements Ring {
  readonly #order: FeedOrder;
  readonly #budget: RingBudget;
  readonly #ring: EncodedBatch[] = [];
  #ringHead = 0;
  #bytes = 0;
  /** First position that the ring can serve; unknown until something is published. */
  #start = Number.MAX_SAFE_INTEGER;
  #published = 0;
  readonly #waiting = new Set<() => void>();
  followers = 0;

  constructor(order: FeedOrder, budget: RingBudget = ringBudget) {
    this.#order = order;
    this.#budget = budget;
  }

  /** Bytes of the batches in the ring. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The last position published; 0 before the first. */
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

  /** Forgets everything: followers go back to storage. */
  reset(): void {
    this.#ring.length = 0;
    this.#ringHead = 0;
    this.#bytes = 0;
    this.#start = Number.MAX_SAFE_INTEGER;
    this.#budget.emptied(this);
  }

  /** Wakes everyone who waits; once per commit, after all its batches were published. */
  wake(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  /** Calls back at the next wake; returns how to take that back. */
  onWake(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /**
   * Batches from `position` on, at most about `maxBytes`; the first may begin before `position`. `undefined` when the
   * ring no longer has the position; empty when the position is not published yet.
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

  /** Forgets the oldest batch: followers that want it go back to storage. */
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

/** A follower's hold on a feed. */
export interface Subscription extends Disposable {
  readonly feed: LiveFeed;
}

/**
 * The live side of one space: a feed for the space and one per followed segment, each for as long as somebody follows;
 * and those who watch the states of segments. Fed by every commit this instance learns of, in offset order.
 */
export class LiveHub {
  #space: LiveFeed | undefined;
  readonly #segments = new Map<string, LiveFeed>();
  readonly #statuses = new Set<StatusSubscription>();

  /** Number of those who want to know of every commit. */
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

  /** Tells those who watch states which segments have changed; all, with `undefined`. */
  touch(changed: () => readonly string[] | undefined): void {
    if (this.#statuses.size === 0) return;
    const segments = changed();
    for (const subscription of this.#statuses) subscription.touch(segments);
  }

  /** Sends followers back to storage for what was published so far. */
  forget(): void {
    for (const feed of this.#feeds()) feed.reset();
  }

  /** Wakes all followers, to look for what was committed without being published here. */
  wake(): void {
    for (const feed of this.#feeds()) feed.wake();
  }

  /** Hands over what was committed, in offset order, and wakes the followers concerned. */
  publish(published: readonly EncodedBatch[]): void {
    if (published.length === 0 || (this.#space === undefined && this.#segments.size === 0)) return;
    const isFollowed = (batch: EncodedBatch) => this.#space !== undefined || this.#segments.has(batch.segment);
    // What a ring keeps must not keep more than itself: the rest of a request, or of a row.
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
