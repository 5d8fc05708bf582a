import type { Codec } from "../codec.ts";
import type { SpaceOffsets } from "../position.ts";
import { toPosition } from "../position.ts";
import { toDuration, toTimestamp } from "../time.ts";
import type { EncodedPage, Peer } from "../transport/peer.ts";
import { type Batch, decodeBatch } from "./batch.ts";
import type { MergedReadOptions } from "./bounds.ts";
import { MAX_WAIT_MILLIS, pauseAfter, pollTimes, requireWritten } from "./polling.ts";
import { heartbeatMillis, type Page, type Read, silenceMillis } from "./read.ts";

/** Most calls of a read that wait for entries at the same time, each of one space. Browsers have few connections. */
const MAX_HELD_CALLS = 3;
/** Wait of these calls if the read has more spaces, in milliseconds. */
const SHORT_WAIT_MILLIS = 1_000;

/** The store of a read, and the calls to its server. */
export interface StoreSource {
  readonly storeId: string;
  readonly peer: Peer;
  /** Asks for the offset of the last entry ever appended to a space. */
  lastOffset(space: string, signal: AbortSignal): Promise<number>;
}

/** A read of several spaces, merged by commit time. */
export class MergedRead<T> implements Read<T, SpaceOffsets> {
  readonly follow: boolean;
  readonly mayEnd: boolean;

  readonly #source: StoreSource;
  readonly #options: MergedReadOptions;
  readonly #codec: Codec<T, never>;
  /** Next offset to deliver, per space. */
  readonly #next = new Map<string, number>();
  /** Offsets that the present connection asked for. */
  #asked: SpaceOffsets = new Map();
  /** Number of entries still to deliver. */
  #remaining: number;

  constructor(source: StoreSource, options: MergedReadOptions, codec: Codec<T, never>) {
    this.#source = source;
    this.#options = options;
    this.#codec = codec;
    this.follow = options.follow ?? false;
    this.mayEnd = !this.follow || options.maxTime !== undefined;
    this.#remaining = toPosition("limit", options.limit) || Number.POSITIVE_INFINITY;
    const spaces = options.spaces instanceof Map ? options.spaces : Object.entries(options.spaces);
    for (const [space, offset] of spaces) this.#next.set(space, toPosition(`spaces["${space}"]`, offset));
  }

  get place(): string {
    return `spaces ${[...this.#next].map(([space, offset]) => `"${space}" at offset ${Math.max(1, offset)}`).join(", ")}`;
  }

  get complete(): boolean {
    return this.#remaining <= 0;
  }

  async headBefore(page: Page<T, SpaceOffsets>, signal: AbortSignal): Promise<SpaceOffsets | undefined> {
    const open = [...this.#asked].filter(([space, asked]) => asked > 1 && page.next.get(space) === asked);
    const heads = await Promise.all(
      open.map(async ([space, asked]): Promise<[string, number][]> => {
        const last = await this.#source.lastOffset(space, signal);
        return asked > last + 1 ? [[space, last]] : [];
      }),
    );
    return heads.flat().length > 0 ? new Map(heads.flat()) : undefined;
  }

  open(signal: AbortSignal): AsyncIterable<EncodedPage<SpaceOffsets>> {
    const options = this.#options;
    this.#asked = new Map(this.#next);
    return this.#source.peer.consume(
      {
        storeId: this.#source.storeId,
        spaces: Object.fromEntries([...this.#next].map(([space, offset]) => [space, BigInt(offset)])),
        minTime: toTimestamp("minTime", options.minTime),
        maxTime: toTimestamp("maxTime", options.maxTime),
        limit: Number.isFinite(this.#remaining) ? BigInt(this.#remaining) : 0n,
        follow: this.follow,
        heartbeatInterval: toDuration("heartbeatInterval", options.heartbeatInterval),
      },
      signal,
      this.follow ? silenceMillis(options.heartbeatInterval) : undefined,
    );
  }

  poll(signal: AbortSignal): AsyncIterable<EncodedPage<SpaceOffsets>> | undefined {
    this.#asked = new Map(this.#next);
    return this.follow ? this.#pollHeads(signal) : undefined;
  }

  /** Reads up to the heads, waits for entries, and repeats both. */
  async *#pollHeads(signal: AbortSignal): AsyncGenerator<EncodedPage<SpaceOffsets>> {
    const { storeId, peer } = this.#source;
    const { maxMicros, ...times } = pollTimes(this.#options);
    /** Spaces without an entry after `maxTime` so far. */
    const open = new Set(this.#next.keys());
    /** Offsets that were certainly written. */
    const known = new Map<string, number>();
    for (;;) {
      const positions = [...this.#next].filter(([space]) => open.has(space));
      const spaces = Object.fromEntries(positions.map(([space, offset]) => [space, BigInt(offset)]));
      const limit = Number.isFinite(this.#remaining) ? BigInt(this.#remaining) : 0n;
      for await (const page of peer.consume({ storeId, spaces, ...times, limit, follow: false }, signal)) {
        for (const [space, offset] of page.next)
          if (offset > (this.#next.get(space) ?? 0)) known.set(space, offset - 1);
        const wanted = maxMicros === Number.POSITIVE_INFINITY ? page : this.#before(page, maxMicros, open);
        yield wanted;
        if (open.size === 0) return;
      }
      const reached = [...this.#next].filter(([space]) => open.has(space));
      await this.#waitForEntries(reached, known, signal);
    }
  }

  /**
   * Waits for a while for an entry at or after these positions. Throws NOT_FOUND if the store was deleted meanwhile.
   */
  async #waitForEntries(
    positions: readonly (readonly [string, number])[],
    known: ReadonlyMap<string, number>,
    signal: AbortSignal,
  ): Promise<void> {
    const { storeId, peer } = this.#source;
    const held = positions.slice(0, MAX_HELD_CALLS);
    const heartbeat = Math.min(heartbeatMillis(this.#options.heartbeatInterval), MAX_WAIT_MILLIS);
    const wait = held.length === positions.length ? heartbeat : Math.min(heartbeat, SHORT_WAIT_MILLIS);
    const asked = performance.now();
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const calls = held.map(([space, offset]) => {
      const request = { storeId, space, minOffset: BigInt(offset), limit: 1n, wait: toDuration("wait", wait) };
      return peer.readSpace(request, until, wait);
    });
    try {
      const found = await new Promise<boolean>((resolve, reject) => {
        for (const call of calls) call.then(({ batches }) => batches.length > 0 && resolve(true), reject);
        Promise.all(calls).then(() => resolve(false), reject);
      });
      if (found) return;
      for (const [space] of held) {
        const last = known.get(space) ?? 0;
        if (last > 0) requireWritten(await this.#source.lastOffset(space, signal), last);
      }
      await pauseAfter(asked, wait, signal);
    } finally {
      over.abort();
    }
  }

  /** The part of a page up to a time. Removes spaces with a later entry from `open`. */
  #before(page: EncodedPage<SpaceOffsets>, maxMicros: number, open: Set<string>): EncodedPage<SpaceOffsets> {
    const batches = page.batches.filter((encoded) => {
      const { space, commitTimeMicros } = decodeBatch(this.#source.storeId, encoded, this.#codec);
      if (commitTimeMicros > maxMicros) open.delete(space);
      return open.has(space);
    });
    const next = new Map([...page.next].filter(([space]) => open.has(space)));
    return { batches, next, caughtUp: page.caughtUp };
  }

  receive(page: EncodedPage<SpaceOffsets>): Page<T, SpaceOffsets> {
    const batches: Batch<T>[] = [];
    for (const encoded of page.batches) {
      let batch = decodeBatch(this.#source.storeId, encoded, this.#codec);
      const next = this.#next.get(batch.space) ?? 0;
      if (batch.lastOffset < next) continue;
      if (batch.firstOffset < next) batch = batch.after(next - batch.firstOffset);
      batches.push(batch);
      this.#next.set(batch.space, batch.lastOffset + 1);
      this.#remaining -= batch.length;
    }
    for (const [space, offset] of page.next) this.#next.set(space, Math.max(offset, this.#next.get(space) ?? 0));
    return { batches, next: new Map(this.#next), caughtUp: page.caughtUp };
  }
}
