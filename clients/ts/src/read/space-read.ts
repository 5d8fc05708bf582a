import type { Codec } from "../codec.ts";
import { toPosition, toWirePosition } from "../position.ts";
import { toDuration, toTimestamp } from "../time.ts";
import type { EncodedPage, Peer } from "../transport/peer.ts";
import { type Batch, decodeBatch } from "./batch.ts";
import type { SpaceReadOptions } from "./bounds.ts";
import { pollPages, pollTimes } from "./polling.ts";
import { heartbeatMillis, type Page, type Read, silenceMillis } from "./read.ts";

/** The space of a read, and the calls to its server. */
export interface SpaceSource {
  readonly storeId: string;
  readonly space: string;
  readonly peer: Peer;
  /** Asks for the offset of the last entry ever appended. */
  lastOffset(signal: AbortSignal): Promise<number>;
}

/** A read of all segments of a space in offset order. It cannot check gaps: offsets may be trimmed or not selected. */
export class SpaceRead<T> implements Read<T, number> {
  readonly follow: boolean;
  readonly mayEnd: boolean;

  readonly #source: SpaceSource;
  readonly #options: SpaceReadOptions;
  readonly #codec: Codec<T, never>;
  readonly #max: number;
  /** Next offset to deliver; 0 before the first response of a read without `minOffset`. */
  #next: number;
  /** Offset that the present connection asked for; 0 if the server chooses the start. */
  #asked = 0;
  /** Number of entries still to deliver. */
  #remaining: number;
  /** True after the first response, which turns `last` into a position. A new connection must not send `last` again. */
  #positioned = false;

  constructor(source: SpaceSource, options: SpaceReadOptions, codec: Codec<T, never>) {
    this.#source = source;
    this.#options = options;
    this.#codec = codec;
    this.follow = options.follow ?? false;
    this.mayEnd = !this.follow || options.maxTime !== undefined;
    this.#next = toPosition("minOffset", options.minOffset);
    this.#max = toPosition("maxOffset", options.maxOffset) || Number.POSITIVE_INFINITY;
    this.#remaining = toPosition("limit", options.limit) || Number.POSITIVE_INFINITY;
  }

  get place(): string {
    return `space "${this.#source.space}", ${this.#next === 0 ? "at its start" : `at offset ${this.#next}`}`;
  }

  get complete(): boolean {
    return this.#remaining <= 0 || (this.#positioned && this.#next > this.#max);
  }

  async headBefore(page: Page<T, number>, signal: AbortSignal): Promise<number | undefined> {
    const asked = this.#asked;
    if (asked <= 1 || page.next !== asked || page.batches.length > 0 || !page.caughtUp) return undefined;
    const last = await this.#source.lastOffset(signal);
    return asked > last + 1 ? last : undefined;
  }

  open(signal: AbortSignal): AsyncIterable<EncodedPage<number>> {
    const { storeId, space, peer } = this.#source;
    const options = this.#options;
    this.#asked = this.#next;
    return peer.consumeSpace(
      {
        storeId,
        space,
        minOffset: toWirePosition("minOffset", this.#next),
        maxOffset: toWirePosition("maxOffset", options.maxOffset),
        minTime: toTimestamp("minTime", options.minTime),
        maxTime: toTimestamp("maxTime", options.maxTime),
        limit: Number.isFinite(this.#remaining) ? BigInt(this.#remaining) : 0n,
        last: this.#positioned ? 0n : toWirePosition("last", options.last),
        follow: this.follow,
        segmentPrefix: options.segmentPrefix ?? "",
        heartbeatInterval: toDuration("heartbeatInterval", options.heartbeatInterval),
      },
      signal,
      this.follow ? silenceMillis(options.heartbeatInterval) : undefined,
    );
  }

  poll(signal: AbortSignal): AsyncIterable<EncodedPage<number>> {
    const { storeId, space, peer } = this.#source;
    const options = this.#options;
    const { segmentPrefix = "" } = options;
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
        head: () => this.#source.lastOffset(signal),
        page: ({ min, max, limit, wait }) =>
          peer.readSpace(
            {
              storeId,
              space,
              minOffset: min,
              maxOffset: max,
              segmentPrefix,
              ...times,
              limit,
              wait: toDuration("wait", wait),
            },
            signal,
            wait,
          ),
        positionOf: (batch) => batch.firstOffset,
      },
      signal,
    );
  }

  receive(page: EncodedPage<number>): Page<T, number> {
    const batches: Batch<T>[] = [];
    for (const encoded of page.batches) {
      let batch = decodeBatch(this.#source.storeId, encoded, this.#codec);
      if (batch.lastOffset < this.#next) continue;
      if (batch.firstOffset < this.#next) batch = batch.after(this.#next - batch.firstOffset);
      batches.push(batch);
      this.#next = batch.lastOffset + 1;
      this.#remaining -= batch.length;
    }
    this.#next = Math.max(this.#next, page.next);
    this.#positioned = true;
    return { batches, next: this.#next, caughtUp: page.caughtUp };
  }
}
