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

/** What a function gets that runs under a lease. */
export interface LeaseScope<Out, In> {
  /** What is leased. */
  readonly key: string;
  /** Who holds it. */
  readonly holder: string;
  /** Larger with each acquisition of the key, for ever. */
  readonly fencingToken: bigint;
  /** The store: what is appended through it carries the token, and does not leave once the lease is lost. */
  readonly store: StoreHandle<Out, In>;
  /** Fires when the lease is lost, before anybody else can get it, and when the caller's signal does. */
  readonly signal: AbortSignal;
  /** Throws `LEASE_LOST` when the lease cannot be proven held any more; for what is done outside of Streamkit. */
  check(): void;
}

/** One store: the unit of isolation. A light handle; make as many as you like. */
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

  /** The same store, with values of a type: see `json` and `protobuf`. */
  withCodec<O, I>(codec: Codec<O, I>): StoreHandle<O, I> {
    checkArgument("withCodec", "codec", codec, codecs);
    return new StoreHandle(this.#context, this.id, codec);
  }

  /** A handle on a space; no I/O. Spaces need no creation. */
  space(name: string): SpaceHandle<Out, In> {
    checkArgument("space", "name", name, text);
    return new SpaceHandle(this.#context, this.id, name, this.#codec);
  }

  /** Reads several spaces, merged by commit time. Lazy: see `Consumption`. */
  consume(options: MergedReadOptions): Consumption<Out, SpaceOffsets> {
    checkOptions("consume", options, MERGED_READ_OPTIONS, ["spaces"]);
    const { id: storeId } = this;
    const context = this.#context;
    const lastOffset = (space: string, signal: AbortSignal) => lastOffsetOf(context, storeId, space, signal);
    const source = { storeId, peer: context.peer, lastOffset };
    return consumption(() => new MergedRead(source, options, this.#codec as Codec<Out, never>), context, options);
  }

  /** `consume` with `follow: true`: goes on at the head, with what is committed later. */
  follow(options: Omit<MergedReadOptions, "follow">): Consumption<Out, SpaceOffsets> {
    checkOptions("follow", options, MERGED_FOLLOW_OPTIONS, ["spaces"]);
    return this.consume({ ...options, follow: true });
  }

  /** The spaces, by name in byte order. */
  listSpaces(options: ListOptions = {}): Listing<SpaceStatus> {
    checkOptions("listSpaces", options, LIST_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { storeId: this.id, prefix: options.prefix ?? "", pageSize, pageToken };
      const response = await call(this.#context, StreamService.method.listSpaces, request, options.signal);
      const items = response.spaces.map((status) => toSpaceStatus(status.space, status));
      return { items, nextPageToken: response.nextPageToken };
    });
  }

  /** Leases, one call each. `withLease` keeps one for you. */
  get leases(): Leases {
    return new Leases(this.#context, this.id);
  }

  /** Cursors: how far consumers have come. `consumer` keeps one for you. */
  get cursors(): Cursors {
    return new Cursors(this.#context, this.id);
  }

  /** A group of workers: who is alive. No I/O. */
  presence(group: string): Presence {
    checkArgument("presence", "group", group, text);
    return new Presence(this.#context, this.id, group);
  }

  /**
   * Takes a lease, waiting for it if need be, runs a function under it, and gives it back. The lease is renewed at a
   * third of its ttl. When it cannot be proven held any more (network failures included), the function's signal fires
   * before anybody else can get it, and the call rejects with `LEASE_LOST`. Appends through the scope's store are
   * fenced: they are refused with `FENCED` once a later holder has written, however late they arrive.
   *
   * @param ttl in milliseconds, 1,000 to 86,400,000; or options
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

  /** Makes a consumer: reads from a durable cursor, hands entries to a handler. No I/O until it is `run`. */
  consumer(options: ConsumerOptions<Out, StoreHandle<Out, In>>): Consumer<Out, StoreHandle<Out, In>> {
    return new Consumer(this.#context, this.id, (context) => new StoreHandle(context, this.id, this.#codec), options);
  }

  /** Whether the store exists: it does from its first append on. */
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

  /** Confirms that the store exists, and gives its id as the server spells it. Throws `NOT_FOUND` otherwise. */
  async get(options: { signal?: AbortSignal } = {}): Promise<{ storeId: string }> {
    checkOptions("get", options, CALL_OPTIONS);
    const response = await call(this.#context, StoreService.method.getStore, { storeId: this.id }, options.signal);
    return { storeId: response.store?.storeId ?? this.id };
  }

  /** Forgets everything about the store, positions included. Deleting what does not exist succeeds. */
  async delete(options: { signal?: AbortSignal } = {}): Promise<void> {
    checkOptions("delete", options, CALL_OPTIONS);
    await call(this.#context, StoreService.method.deleteStore, { storeId: this.id }, options.signal);
  }
}
