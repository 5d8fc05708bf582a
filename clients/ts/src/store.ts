import { StoreService, StreamService } from "@streamkit/protocol";
import { type BytesInput, bytes, type Codec } from "./codec.ts";
import { type ClientContext, call } from "./context.ts";
import { StreamkitError } from "./errors/error.ts";
import { type Listing, type ListOptions, listing } from "./listing.ts";
import type { MergedReadOptions } from "./read/bounds.ts";
import { type Consumption, consumption } from "./read/consumption.ts";
import { MergedRead } from "./read/merged-read.ts";
import { SpaceHandle } from "./space.ts";
import { type SpaceStatus, toSpaceStatus } from "./status.ts";
import type { SpaceOffsets } from "./transport/peer.ts";

/** One store: the unit of isolation. A light handle; make as many as you like. */
export class StoreHandle<Out = Uint8Array, In = BytesInput> {
  /** The store's id, a UUID. */
  readonly id: string;
  private readonly context: ClientContext;
  private readonly codec: Codec<Out, In>;

  /** @internal Made by `StreamkitClient.store`. */
  constructor(context: ClientContext, id: string, codec?: Codec<Out, In>) {
    this.context = context;
    this.id = id;
    this.codec = codec ?? (bytes as unknown as Codec<Out, In>);
  }

  /** The same store, with values of a type: see `json` and `protobuf`. */
  withCodec<O, I>(codec: Codec<O, I>): StoreHandle<O, I> {
    return new StoreHandle(this.context, this.id, codec);
  }

  /** A handle on a space; no I/O. Spaces need no creation. */
  space(name: string): SpaceHandle<Out, In> {
    return new SpaceHandle(this.context, this.id, name, this.codec);
  }

  /** Reads several spaces, merged by commit time. Lazy: see `Consumption`. */
  consume(options: MergedReadOptions): Consumption<Out, SpaceOffsets> {
    const source = { storeId: this.id, peer: this.context.peer };
    return consumption(() => new MergedRead(source, options, this.codec as Codec<Out, never>), this.context, options);
  }

  /** `consume` with `follow: true`: goes on at the head, with what is committed later. */
  follow(options: Omit<MergedReadOptions, "follow">): Consumption<Out, SpaceOffsets> {
    return this.consume({ ...options, follow: true });
  }

  /** The spaces, by name in byte order. */
  listSpaces(options: ListOptions = {}): Listing<SpaceStatus> {
    return listing(options, async (pageSize, pageToken) => {
      const request = { storeId: this.id, prefix: options.prefix ?? "", pageSize, pageToken };
      const response = await call(this.context, StreamService.method.listSpaces, request, options.signal);
      const items = response.spaces.map((status) => toSpaceStatus(status.space, status));
      return { items, nextPageToken: response.nextPageToken };
    });
  }

  /** Whether the store exists: it does from its first append on. */
  async exists(options: { signal?: AbortSignal } = {}): Promise<boolean> {
    try {
      await call(this.context, StoreService.method.getStore, { storeId: this.id }, options.signal);
      return true;
    } catch (error) {
      if (error instanceof StreamkitError && error.reason === "NOT_FOUND") return false;
      throw error;
    }
  }

  /** Confirms that the store exists, and gives its id as the server spells it. Throws `NOT_FOUND` otherwise. */
  async get(options: { signal?: AbortSignal } = {}): Promise<{ storeId: string }> {
    const response = await call(this.context, StoreService.method.getStore, { storeId: this.id }, options.signal);
    return { storeId: response.store?.storeId ?? this.id };
  }

  /** Forgets everything about the store, positions included. Deleting what does not exist succeeds. */
  async delete(options: { signal?: AbortSignal } = {}): Promise<void> {
    await call(this.context, StoreService.method.deleteStore, { storeId: this.id }, options.signal);
  }
}
