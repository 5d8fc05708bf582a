import type { Codec } from "../codec.ts";
import type { SpaceOffsets } from "../position.ts";
import { toPosition } from "../position.ts";
import { toDuration, toTimestamp } from "../time.ts";
import type { EncodedPage, Peer } from "../transport/peer.ts";
import { type Batch, decodeBatch } from "./batch.ts";
import type { MergedReadOptions } from "./bounds.ts";
import { type Page, type Read, silenceMillis } from "./read.ts";

/** Which store to read, and through what. */
export interface StoreSource {
  readonly storeId: string;
  readonly peer: Peer;
  /** Offset of the last entry that was ever appended to a space, now. */
  lastOffset(space: string, signal: AbortSignal): Promise<number>;
}

/** A read of several spaces, merged by commit time. */
export class MergedRead<T> implements Read<T, SpaceOffsets> {
  readonly follow: boolean;
  readonly mayEnd: boolean;

  private readonly source: StoreSource;
  private readonly options: MergedReadOptions;
  private readonly codec: Codec<T, never>;
  /** Next offset to deliver, per space. */
  private readonly next = new Map<string, number>();
  /** Where the present connection started. */
  private asked: SpaceOffsets = new Map();
  /** Entries still wanted. */
  private remaining: number;

  constructor(source: StoreSource, options: MergedReadOptions, codec: Codec<T, never>) {
    this.source = source;
    this.options = options;
    this.codec = codec;
    this.follow = options.follow ?? false;
    this.mayEnd = !this.follow || options.maxTime !== undefined;
    this.remaining = toPosition("limit", options.limit) || Number.POSITIVE_INFINITY;
    const spaces = options.spaces instanceof Map ? options.spaces : Object.entries(options.spaces);
    for (const [space, offset] of spaces) this.next.set(space, toPosition(`spaces["${space}"]`, offset));
  }

  get place(): string {
    return `spaces ${[...this.next].map(([space, offset]) => `"${space}" at offset ${Math.max(1, offset)}`).join(", ")}`;
  }

  get complete(): boolean {
    return this.remaining <= 0;
  }

  async headBefore(page: Page<T, SpaceOffsets>, signal: AbortSignal): Promise<SpaceOffsets | undefined> {
    const open = [...this.asked].filter(([space, asked]) => asked > 1 && page.next.get(space) === asked);
    const heads = await Promise.all(
      open.map(async ([space, asked]): Promise<[string, number][]> => {
        const last = await this.source.lastOffset(space, signal);
        return asked > last + 1 ? [[space, last]] : [];
      }),
    );
    return heads.flat().length > 0 ? new Map(heads.flat()) : undefined;
  }

  open(signal: AbortSignal): AsyncIterable<EncodedPage<SpaceOffsets>> {
    const { options } = this;
    this.asked = new Map(this.next);
    return this.source.peer.consume(
      {
        storeId: this.source.storeId,
        spaces: Object.fromEntries([...this.next].map(([space, offset]) => [space, BigInt(offset)])),
        minTime: toTimestamp("minTime", options.minTime),
        maxTime: toTimestamp("maxTime", options.maxTime),
        limit: Number.isFinite(this.remaining) ? BigInt(this.remaining) : 0n,
        follow: this.follow,
        heartbeatInterval: toDuration("heartbeatInterval", options.heartbeatInterval),
      },
      signal,
      this.follow ? silenceMillis(options.heartbeatInterval) : undefined,
    );
  }

  receive(page: EncodedPage<SpaceOffsets>): Page<T, SpaceOffsets> {
    const batches: Batch<T>[] = [];
    for (const encoded of page.batches) {
      let batch = decodeBatch(this.source.storeId, encoded, this.codec);
      const next = this.next.get(batch.space) ?? 0;
      if (batch.lastOffset < next) continue;
      if (batch.firstOffset < next) batch = batch.after(next - batch.firstOffset);
      batches.push(batch);
      this.next.set(batch.space, batch.lastOffset + 1);
      this.remaining -= batch.length;
    }
    for (const [space, offset] of page.next) this.next.set(space, Math.max(offset, this.next.get(space) ?? 0));
    return { batches, next: new Map(this.next), caughtUp: page.caughtUp };
  }
}
