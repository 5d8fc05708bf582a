import { StoreService, StreamService } from "@streamkit/protocol";
import { type BytesInput, bytes, type Codec, codecs } from "./codec.ts";
import { Consumer } from "./consumer/consumer.ts";
import type { ConsumerOptions } from "./consumer/options.ts";
import { type ClientContext, call } from "./context.ts";
import { Cursors } from "./cursor/cursors.ts";
import { StreamkitError } from "./errors/error.ts";
import { fenced } from "./lease/fence.ts";
import { Leases } from "./lease/leases.ts";
import { WITH_LEASE_OPTIONS, type WithLeaseOptions, withLease } from "./lease/with-lease.ts";
import { type Listing, type ListOptions, listing } from "./listing.ts";
import { CALL_OPTIONS, callback, checkArgument, checkOptions, LIST_OPTIONS, text } from "./options.ts";
import type { SpaceOffsets } from "./position.ts";
import { Presence } from "./presence/presence.ts";
import { MERGED_FOLLOW_OPTIONS, MERGED_READ_OPTIONS, type MergedReadOptions } from "./read/bounds.ts";
import { type Consumption, consumption } from "./read/consumption.ts";
import { MergedRead } from "./read/merged-read.ts";
import { lastOffsetOf, SpaceHandle } from "./space.ts";
import { type SpaceStatus, toSpaceStatus } from "./status.ts";

/** The lease that a function runs under, and the store under that lease. */
export interface LeaseScope<Out, In> {
  /** The key of the lease. */
  readonly key: string;
  /** The holder of the lease. */
  readonly holder: string;
  /** The token of the lease. It rises with each acquisition of the key, for ever. */
  readonly fencingToken: bigint;
  /** The store under the lease. Its appends carry the token; once the lease is lost, the client sends none of them. */
  readonly store: StoreHandle<Out, In>;
  /** Fires when the lease is lost, before another holder can get it, and when the caller's signal fires. */
  readonly signal: AbortSignal;
  /**
   * Throws `LEASE_LOST` once the client cannot prove any more that it holds the lease. For work outside of Streamkit.
   */
  check(): void;
}

/** A handle on one store, the unit of isolation. Handles are light: make as many as you like. */
export class StoreHandle<Out = Uint8Array, In = BytesInput> {
  /** The store's id, a UUID. */
  readonly id: string;
  readonly #context: ClientContext;
  readonly #codec: Codec<Out, In>;

  /** @internal Made by `StreamkitClient.store`. */
  constructor(context: ClientContext, id: string, codec?: Codec<Out, In>) {
    this.#context = context;
    this.id = id;
    this.#codec = codec ?? (bytes as unknown as Codec<Out, In>);
  }

  /** The same store, with a codec for the values of records: see `json` and `protobuf`. */
  withCodec<O, I>(codec: Codec<O, I>): StoreHandle<O, I> {
    checkArgument("withCodec", "codec", codec, codecs);
    return new StoreHandle(this.#context, this.id, codec);
  }

  /** Makes a handle on a space, without I/O. Spaces need no creation. */
  space(name: string): SpaceHandle<Out, In> {
    checkArgument("space", "name", name, text);
    return new SpaceHandle(this.#context, this.id, name, this.#codec);
  }

  /** Reads several spaces, merged by commit time. The read starts when you iterate it: see `Consumption`. */
  consume(options: MergedReadOptions): Consumption<Out, SpaceOffsets> {
    checkOptions("consume", options, MERGED_READ_OPTIONS, ["spaces"]);
    const { id: storeId } = this;
    const context = this.#context;
    const lastOffset = (space: string, signal: AbortSignal) => lastOffsetOf(context, storeId, space, signal);
    const source = { storeId, peer: context.peer, lastOffset };
    return consumption(() => new MergedRead(source, options, this.#codec as Codec<Out, never>), context, options);
  }

  /** `consume` with `follow: true`: the read stays open at the head and delivers later commits. */
  follow(options: Omit<MergedReadOptions, "follow">): Consumption<Out, SpaceOffsets> {
    checkOptions("follow", options, MERGED_FOLLOW_OPTIONS, ["spaces"]);
    return this.consume({ ...options, follow: true });
  }

  /** Lists the spaces, by name in byte order. */
  listSpaces(options: ListOptions = {}): Listing<SpaceStatus> {
    checkOptions("listSpaces", options, LIST_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { storeId: this.id, prefix: options.prefix ?? "", pageSize, pageToken };
      const response = await call(this.#context, StreamService.method.listSpaces, request, options.signal);
      const items = response.spaces.map((status) => toSpaceStatus(status.space, status));
      return { items, nextPageToken: response.nextPageToken };
    });
  }

  /** Single calls on leases. `withLease` keeps a lease for you. */
  get leases(): Leases {
    return new Leases(this.#context, this.id);
  }

  /** Single calls on cursors, the positions of consumers. `consumer` keeps a cursor for you. */
  get cursors(): Cursors {
    return new Cursors(this.#context, this.id);
  }

  /** Makes a handle on a group of workers, which tells the live ones. No I/O. */
  presence(group: string): Presence {
    checkArgument("presence", "group", group, text);
    return new Presence(this.#context, this.id, group);
  }

  /**
   * Takes a lease, waits for it if another holder has it, runs a function under it, and gives it back. The client
   * renews the lease after each third of its ttl. Once the client cannot prove any more that it holds the lease, also
   * because of network failures, the function's signal fires before another holder can get the lease, and the call
   * rejects with `LEASE_LOST`. Appends through the scope's store carry the token: after a later holder has written, the
   * server refuses them with `FENCED`, however late they arrive.
   *
   * @param ttl time to live in milliseconds, 1,000 to 86,400,000; or options
   */
  async withLease<T>(
    key: string,
    ttl: number | WithLeaseOptions,
    run: (scope: LeaseScope<Out, In>) => Promise<T>,
  ): Promise<T> {
    const options = typeof ttl === "object" ? ttl : { ttl };
    checkArgument("withLease", "key", key, text);
    checkOptions("withLease", options, WITH_LEASE_OPTIONS, ["ttl"]);
    checkArgument("withLease", "run", run, callback);
    return withLease(this.#context, this.id, key, options, (held, signal) => {
      const fence = { token: held.fencingToken, check: () => held.check() };
      const store = new StoreHandle(fenced(this.#context, fence), this.id, this.#codec);
      const { key, holder, fencingToken } = held;
      return run({ key, holder, fencingToken, store, signal, check: fence.check });
    });
  }

  /** Makes a consumer, which reads from a durable cursor and hands entries to a handler. No I/O before `run`. */
  consumer(options: ConsumerOptions<Out, StoreHandle<Out, In>>): Consumer<Out, StoreHandle<Out, In>> {
    return new Consumer(this.#context, this.id, (context) => new StoreHandle(context, this.id, this.#codec), options);
  }

  /** True if the store exists. A store exists from its first append on. */
  async exists(options: { signal?: AbortSignal } = {}): Promise<boolean> {
    checkOptions("exists", options, CALL_OPTIONS);
    try {
      await call(this.#context, StoreService.method.getStore, { storeId: this.id }, options.signal);
      return true;
    } catch (error) {
      if (error instanceof StreamkitError && error.reason === "NOT_FOUND") return false;
      throw error;
    }
  }

  /**
   * Gives the id of the store as the server spells it.
   *
   * @throws StreamkitError NOT_FOUND if the store does not exist
   */
  async get(options: { signal?: AbortSignal } = {}): Promise<{ storeId: string }> {
    checkOptions("get", options, CALL_OPTIONS);
    const response = await call(this.#context, StoreService.method.getStore, { storeId: this.id }, options.signal);
    return { storeId: response.store?.storeId ?? this.id };
  }

  /**
   * Deletes the store with everything in it. Sequences and offsets of a later append start at 1 again. Succeeds also if
   * the store does not exist.
   */
  async delete(options: { signal?: AbortSignal } = {}): Promise<void> {
    checkOptions("delete", options, CALL_OPTIONS);
    await call(this.#context, StoreService.method.deleteStore, { storeId: this.id }, options.signal);
  }
}
