import { StreamService } from "@streamkit/protocol";
import { type Codec, codecs, type Labeled } from "./codec.ts";
import { type ClientContext, call, callOnce } from "./context.ts";
import { type Listing, type ListOptions, listing } from "./listing.ts";
import {
  CALL_OPTIONS,
  checkArgument,
  checkOptions,
  fields,
  LIST_OPTIONS,
  signal,
  source,
  text,
  token,
} from "./options.ts";
import { optionalPosition, type Position, toWirePosition } from "./position.ts";
import { SPACE_FOLLOW_OPTIONS, SPACE_READ_OPTIONS, type SpaceReadOptions } from "./read/bounds.ts";
import { type Consumption, consumption } from "./read/consumption.ts";
import {
  type EntryPage,
  SPACE_PAGE_OPTIONS,
  type SpacePageOptions,
  toEntryPage,
  toPageFields,
} from "./read/single-page.ts";
import { SpaceRead } from "./read/space-read.ts";
import { withRetry } from "./retry/retry.ts";
import { SegmentHandle } from "./segment.ts";
import { type SegmentStatus, type SpaceStatus, toSegmentStatus, toSpaceStatus } from "./status.ts";
import {
  callBack,
  STATUS_SUBSCRIPTION_OPTIONS,
  type StatusCallbacks,
  type StatusEvent,
  type StatusHandlers,
  type StatusSubscriptionOptions,
  subscribeToStatus,
} from "./subscribe/segment-status.ts";
import type { Subscription } from "./subscribe/subscription.ts";
import { type AppendResult, toAppendResult } from "./write/append-result.ts";
import { PRODUCE_OPTIONS, type ProduceOptions, type ProduceSummary, produce } from "./write/produce.ts";
import type { RecordSource } from "./write/production.ts";
import { AppendSession, SESSION_OPTIONS, type SessionOptions } from "./write/session.ts";
import { toRecord } from "./write/to-record.ts";
import {
  encodeTransaction,
  type SegmentAppend,
  TRANSACTION_OPTIONS,
  type TransactionOptions,
} from "./write/transaction.ts";

/** Options of an append. */
export interface AppendOptions extends TransactionOptions {
  /** Ends the call with `CANCELED`. The outcome of the append is then unknown. */
  readonly signal?: AbortSignal;
}

/** A record, and the segment that it goes to. */
export interface RoutedRecord<In> {
  readonly segment: string;
  readonly record: In | Labeled<In>;
}

const ROUTED_RECORD = fields({ segment: text, record: () => {} }, ["segment"]);

/** Options of a production into a space. */
export interface SpaceProduceOptions extends ProduceOptions {
  /** The token of a lease. Every transaction carries it, for every segment. */
  readonly fencingToken?: Position;
}

const APPEND_OPTIONS = { ...TRANSACTION_OPTIONS, signal };

const SPACE_PRODUCE_OPTIONS = { ...PRODUCE_OPTIONS, fencingToken: token };

/** A handle on one space. Transactions and offsets span a space. Handles are light: make as many as you like. */
export class SpaceHandle<Out, In> {
  /** The store's id. */
  readonly storeId: string;
  /** The space's name. */
  readonly name: string;
  readonly #context: ClientContext;
  readonly #codec: Codec<Out, In>;

  /** @internal Made by `StoreHandle.space`. */
  constructor(context: ClientContext, storeId: string, name: string, codec: Codec<Out, In>) {
    this.#context = context;
    this.storeId = storeId;
    this.name = name;
    this.#codec = codec;
  }

  /** The same space, with a codec for the values of records: see `json` and `protobuf`. */
  withCodec<O, I>(codec: Codec<O, I>): SpaceHandle<O, I> {
    checkArgument("withCodec", "codec", codec, codecs);
    return new SpaceHandle(this.#context, this.storeId, this.name, codec);
  }

  /** Makes a handle on a segment, without I/O. Segments need no creation. */
  segment(name: string): SegmentHandle<Out, In> {
    checkArgument("segment", "name", name, text);
    return new SegmentHandle(this.#context, this.storeId, this.name, name, this.#codec);
  }

  /**
   * Commits one transaction over one or several segments (G3), and resolves when it is durable (G4). The client retries
   * with the same transaction id, so the server writes nothing twice (G7).
   */
  async append(appends: Iterable<SegmentAppend<In>>, options: AppendOptions = {}): Promise<AppendResult> {
    checkOptions("append", options, APPEND_OPTIONS);
    const place = { storeId: this.storeId, space: this.name, fencingToken: this.#context.fencingToken };
    const transaction = encodeTransaction(place, this.#codec as Codec<never, In>, appends, options);
    const { signal } = options;
    const response = await withRetry(this.#context, signal, () => this.#context.peer.append(transaction, signal));
    return toAppendResult(response, transaction);
  }

  /**
   * Writes all records of a source in large, pipelined transactions, and resolves when all of them are durable. Records
   * of one segment keep their order; a transaction groups its records by segment.
   *
   * @throws StreamkitError the first failure that retries cannot mend; `acknowledged` counts the durable records
   */
  async produce(records: RecordSource<RoutedRecord<In>>, options: SpaceProduceOptions = {}): Promise<ProduceSummary> {
    checkArgument("produce", "source", records, source);
    checkOptions("produce", options, SPACE_PRODUCE_OPTIONS);
    const fencingToken = optionalPosition("fencingToken", options.fencingToken) ?? this.#context.fencingToken;
    const target = {
      storeId: this.storeId,
      space: this.name,
      toRecord: (item: RoutedRecord<In>, index: number) => {
        checkArgument("produce", `source[${index}]`, item, ROUTED_RECORD);
        const record = toRecord(this.#codec as Codec<never, In>, item.record, () => `source[${index}].record`);
        return { segment: item.segment, record };
      },
      conditionsOf: () => ({ fencingToken }),
    };
    return produce(this.#context, target, records, options);
  }

  /** Opens a pipeline of appends that do not wait for each other. End it with `close` or `await using`. */
  session(options: SessionOptions = {}): AppendSession<In> {
    checkOptions("session", options, SESSION_OPTIONS);
    return new AppendSession(this.#context, this.storeId, this.name, this.#codec as Codec<never, In>, options);
  }

  /**
   * Reads one page of the space in one call. `EntryPage` says how to read the next page. To read a whole space, or to
   * follow it, use `consume`.
   */
  async read(options: SpacePageOptions = {}): Promise<EntryPage<Out>> {
    checkOptions("read", options, SPACE_PAGE_OPTIONS);
    const { signal, wait, backward, segmentPrefix = "" } = options;
    const request = {
      storeId: this.storeId,
      space: this.name,
      segmentPrefix,
      minOffset: toWirePosition("minOffset", options.minOffset),
      maxOffset: toWirePosition("maxOffset", options.maxOffset),
      ...toPageFields(options),
    };
    const page = await withRetry(this.#context, signal, () => this.#context.peer.readSpace(request, signal, wait));
    return toEntryPage(this.storeId, page, this.#codec as Codec<Out, never>, backward);
  }

  /** Reads all segments of the space in offset order. The read starts when you iterate it: see `Consumption`. */
  consume(options: SpaceReadOptions = {}): Consumption<Out> {
    checkOptions("consume", options, SPACE_READ_OPTIONS);
    const { storeId, name: space } = this;
    const context = this.#context;
    const lastOffset = (signal: AbortSignal) => lastOffsetOf(context, storeId, space, signal);
    const source = { storeId, space, peer: context.peer, lastOffset };
    return consumption(() => new SpaceRead(source, options, this.#codec as Codec<Out, never>), context, options);
  }

  /** `consume` with `follow: true`: the read stays open at the head and delivers later commits. */
  follow(options: Omit<SpaceReadOptions, "follow"> = {}): Consumption<Out> {
    checkOptions("follow", options, SPACE_FOLLOW_OPTIONS);
    return this.consume({ ...options, follow: true });
  }

  /**
   * Watches the status of segments: first a snapshot, then each change. A slow reader gets the latest status only.
   * Returns an async iterable that reconnects by itself; with `handlers`, calls them instead.
   */
  subscribe(options?: StatusSubscriptionOptions): Subscription<StatusEvent>;
  subscribe(options: StatusSubscriptionOptions, handlers: StatusHandlers): StatusCallbacks;
  subscribe(options: StatusSubscriptionOptions = {}, handlers?: StatusHandlers) {
    checkOptions("subscribe", options, STATUS_SUBSCRIPTION_OPTIONS);
    const place = { storeId: this.storeId, space: this.name, segment: "" };
    const subscription = subscribeToStatus(this.#context, place, options);
    return handlers === undefined ? subscription : callBack(subscription, handlers);
  }

  /** Asks for the first and last offset of the space. All numbers are 0 for a space without any append. */
  async status(options: { signal?: AbortSignal } = {}): Promise<SpaceStatus> {
    checkOptions("status", options, CALL_OPTIONS);
    const request = { storeId: this.storeId, space: this.name };
    const response = await call(this.#context, StreamService.method.getSpaceStatus, request, options.signal);
    return toSpaceStatus(this.name, response.status);
  }

  /** Lists the segments of the space, by name in byte order. */
  listSegments(options: ListOptions = {}): Listing<SegmentStatus> {
    checkOptions("listSegments", options, LIST_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { storeId: this.storeId, space: this.name, prefix: options.prefix ?? "", pageSize, pageToken };
      const response = await call(this.#context, StreamService.method.listSegments, request, options.signal);
      const items = response.segments.map((status) => toSegmentStatus(this.name, status.segment, status));
      return { items, nextPageToken: response.nextPageToken };
    });
  }

  /**
   * Removes all entries of all segments. A later append continues offsets and sequences. Succeeds also if the space
   * does not exist.
   */
  async delete(options: { signal?: AbortSignal } = {}): Promise<void> {
    checkOptions("delete", options, CALL_OPTIONS);
    const request = { storeId: this.storeId, space: this.name };
    await call(this.#context, StreamService.method.deleteSpace, request, options.signal);
  }
}

/** Offset of the last entry ever appended to a space. Makes one attempt, without retries. */
export async function lastOffsetOf(
  context: ClientContext,
  storeId: string,
  space: string,
  signal: AbortSignal,
): Promise<number> {
  const { status } = await callOnce(context, StreamService.method.getSpaceStatus, { storeId, space }, signal);
  return Number(status?.lastOffset ?? 0n);
}
