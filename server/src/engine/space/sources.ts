import type { LiveFeed, Subscription } from "../live/live-hub.ts";
import type { EntrySource } from "../read/consume.ts";
import { findBatchAt, type Page, readSegment } from "../read/read-segment.ts";
import { firstBatchFrom, readSpace, withoutTrimmed } from "../read/read-space.ts";
import type { EncodedBatch } from "../rows/batch.ts";
import { NEW_SEGMENT, type SegmentHead } from "../rows/heads.ts";
import type { SpaceLog } from "./space-log.ts";

/** One segment, in sequence order. */
export class SegmentSource implements EntrySource {
  readonly #log: SpaceLog;
  readonly #segment: string;
  #known: SegmentHead = NEW_SEGMENT;
  #feed: LiveFeed | undefined;

  constructor(log: SpaceLog, segment: string) {
    this.#log = log;
    this.#segment = segment;
  }

  async sync(): Promise<{ first: number; head: number }> {
    await this.#log.sync();
    this.#known = await this.#log.segmentHead(this.#segment);
    return { first: this.#known.firstSequence, head: this.head };
  }

  get head(): number {
    return Math.max(this.#known.lastSequence, this.#feed?.published ?? 0);
  }

  get removals(): number {
    return this.#log.removals;
  }

  read(from: number, through: number, pageBytes?: number): AsyncIterable<Page> {
    return readSegment(this.#log, this.#segment, from, through, pageBytes);
  }

  positionOf(batch: EncodedBatch): number {
    return batch.firstSequence;
  }

  async timeAt(position: number): Promise<number | undefined> {
    if (position > this.head) return undefined;
    return (await findBatchAt(this.#log, this.#segment, Math.max(position, this.#known.firstSequence)))
      ?.commitTimeMicros;
  }

  visible(batches: readonly EncodedBatch[]): readonly EncodedBatch[] {
    const first = this.#log.trimmedBefore(this.#segment);
    if (batches.length === 0 || batches[0].firstSequence >= first) return batches;
    return batches.flatMap((batch) => {
      const gone = Math.max(0, first - batch.firstSequence);
      return gone < batch.count ? [batch.slice(gone, batch.count)] : [];
    });
  }

  subscribe(): Subscription {
    const subscription = this.#log.followSegment(this.#segment);
    this.#feed = subscription.feed;
    return subscription;
  }

  hold(): Disposable {
    return this.#log.hold();
  }
}

/** One space in offset order; with a prefix, only the segments whose names start with it. */
export class SpaceSource implements EntrySource {
  readonly #log: SpaceLog;
  readonly #prefix: string;

  constructor(log: SpaceLog, prefix = "") {
    this.#log = log;
    this.#prefix = prefix;
  }

  async sync(): Promise<{ first: number; head: number }> {
    const { lastOffset } = await this.#log.sync();
    return { first: this.#log.firstOffset, head: lastOffset };
  }

  get head(): number {
    return this.#log.head.lastOffset;
  }

  get removals(): number {
    return this.#log.removals;
  }

  read(from: number, through: number, pageBytes?: number): AsyncIterable<Page> {
    return readSpace(this.#log, from, through, { pageBytes });
  }

  positionOf(batch: EncodedBatch): number {
    return batch.firstOffset;
  }

  async timeAt(position: number): Promise<number | undefined> {
    return (await firstBatchFrom(this.#log, position))?.commitTimeMicros;
  }

  visible(batches: readonly EncodedBatch[]): readonly EncodedBatch[] {
    const kept = withoutTrimmed(this.#log, batches);
    if (this.#prefix === "") return kept;
    return kept.filter((batch) => batch.segment.startsWith(this.#prefix));
  }

  subscribe(): Subscription {
    return this.#log.followSpace();
  }

  hold(): Disposable {
    return this.#log.hold();
  }
}
