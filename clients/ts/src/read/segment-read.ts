import type { Codec } from "../codec.ts";
import { dataLoss } from "../errors/error.ts";
import { toPosition, toWirePosition } from "../position.ts";
import { toDuration, toTimestamp } from "../time.ts";
import type { EncodedPage, Peer } from "../transport/peer.ts";
import { type Batch, decodeBatch } from "./batch.ts";
import type { SegmentReadOptions } from "./bounds.ts";
import { pollPages, pollTimes } from "./polling.ts";
import { heartbeatMillis, type Page, type Read, silenceMillis } from "./read.ts";

/** The segment of a read, and the calls to its server. */
export interface SegmentSource {
  readonly storeId: string;
  readonly space: string;
  readonly segment: string;
  readonly peer: Peer;
  /** Asks for the first retained sequence of the segment, and the last one ever appended. */
  status(signal: AbortSignal): Promise<{ readonly first: number; readonly last: number }>;
}

/** A read of one segment in sequence order. */
export class SegmentRead<T> implements Read<T, number> {
  readonly follow: boolean;
  readonly mayEnd: boolean;

  readonly #source: SegmentSource;
  readonly #options: SegmentReadOptions;
  readonly #codec: Codec<T, never>;
  readonly #max: number;
  /** Next sequence to deliver; 0 before the first response of a read without `minSequence`. */
  #next: number;
  /** Sequence that the present connection asked for; 0 if the server chooses the start. */
  #asked = 0;
  /** Number of entries still to deliver. */
  #remaining: number;
  /** True after the first response, which turns `last` into a position. A new connection must not send `last` again. */
  #positioned = false;
  #delivered = false;

  constructor(source: SegmentSource, options: SegmentReadOptions, codec: Codec<T, never>) {
    this.#source = source;
    this.#options = options;
    this.#codec = codec;
    this.follow = options.follow ?? false;
    this.mayEnd = !this.follow || options.maxTime !== undefined;
    this.#next = toPosition("minSequence", options.minSequence);
    this.#max = toPosition("maxSequence", options.maxSequence) || Number.POSITIVE_INFINITY;
    this.#remaining = toPosition("limit", options.limit) || Number.POSITIVE_INFINITY;
  }

  get place(): string {
    return `segment "${this.#source.segment}" of space "${this.#source.space}", ${this.#next === 0 ? "at its start" : `at sequence ${this.#next}`}`;
  }

  get complete(): boolean {
    // A read that starts beyond its end is not complete before its first page; the server then ends the stream.
    return this.#remaining <= 0 || (this.#positioned && this.#next > this.#max);
  }

  async headBefore(page: Page<T, number>, signal: AbortSignal): Promise<number | undefined> {
    const asked = this.#asked;
    if (asked <= 1 || page.next !== asked || page.batches.length > 0 || !page.caughtUp) return undefined;
    const { last } = await this.#source.status(signal);
    return asked > last + 1 ? last : undefined;
  }

  open(signal: AbortSignal): AsyncIterable<EncodedPage<number>> {
    const { storeId, space, segment, peer } = this.#source;
    const options = this.#options;
    this.#asked = this.#next;
    return peer.consumeSegment(
      {
        storeId,
        space,
        segment,
        minSequence: toWirePosition("minSequence", this.#next),
        maxSequence: toWirePosition("maxSequence", options.maxSequence),
        minTime: toTimestamp("minTime", options.minTime),
        maxTime: toTimestamp("maxTime", options.maxTime),
        limit: Number.isFinite(this.#remaining) ? BigInt(this.#remaining) : 0n,
        last: this.#positioned ? 0n : toWirePosition("last", options.last),
        follow: this.follow,
        heartbeatInterval: toDuration("heartbeatInterval", options.heartbeatInterval),
      },
      signal,
      this.follow ? silenceMillis(options.heartbeatInterval) : undefined,
    );
  }

  poll(signal: AbortSignal): AsyncIterable<EncodedPage<number>> {
    const { storeId, space, segment, peer } = this.#source;
    const options = this.#options;
    const { maxMicros, ...times } = pollTimes(options);
    this.#asked = this.#next;
    return pollPages(
      {
        from: this.#next,
        through: this.#max,
        last: this.#positioned ? 0 : toPosition("last", options.last),
        limit: this.#remaining,
        maxMicros,
        follow: this.follow,
        waitMillis: heartbeatMillis(options.heartbeatInterval),
        head: async () => (await this.#source.status(signal)).last,
        page: ({ min, max, limit, wait }) =>
          peer.readSegment(
            {
              storeId,
              space,
              segment,
              minSequence: min,
              maxSequence: max,
              ...times,
              limit,
              wait: toDuration("wait", wait),
            },
            signal,
            wait,
          ),
        positionOf: (batch) => batch.firstSequence,
      },
      signal,
    );
  }

  async receive(page: EncodedPage<number>, signal: AbortSignal): Promise<Page<T, number>> {
    const batches: Batch<T>[] = [];
    for (const encoded of page.batches) {
      let batch = decodeBatch(this.#source.storeId, encoded, this.#codec);
      if (batch.lastSequence < this.#next) continue;
      if (batch.firstSequence < this.#next) batch = batch.after(this.#next - batch.firstSequence);
      if (this.#delivered && batch.firstSequence > this.#next) await this.#explainGap(batch.firstSequence, signal);
      batches.push(batch);
      this.#delivered = true;
      this.#next = batch.lastSequence + 1;
      this.#remaining -= batch.length;
    }
    if (page.next > this.#next) {
      if (this.#delivered && this.#options.maxTime === undefined) await this.#explainGap(page.next, signal);
      this.#next = page.next;
    }
    this.#positioned = true;
    return { batches, next: this.#next, caughtUp: page.caughtUp };
  }

  /**
   * G11: checks that missing entries were trimmed or deleted, by the status of the segment. Throws DATA_LOSS otherwise.
   */
  async #explainGap(found: number, signal: AbortSignal): Promise<void> {
    const { first: firstRetained } = await this.#source.status(signal);
    if (firstRetained >= found) return;
    const { space, segment } = this.#source;
    throw dataLoss(
      `segment "${segment}" of space "${space}" went from sequence ${this.#next - 1} to ${found}, ` +
        `although the server retains all entries from ${firstRetained} on`,
      { segment },
    );
  }
}
