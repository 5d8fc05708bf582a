import { StreamService } from "@streamkit/protocol";
import { type Codec, codecs, type Labeled } from "./codec.ts";
import { type ClientContext, call, callOnce } from "./context.ts";
import { CALL_OPTIONS, checkArgument, checkOptions, position, signal, source } from "./options.ts";
import { optionalPosition, type Position, toWirePosition } from "./position.ts";
import { decodeBatch } from "./read/batch.ts";
import { SEGMENT_FOLLOW_OPTIONS, SEGMENT_READ_OPTIONS, type SegmentReadOptions } from "./read/bounds.ts";
import { type Consumption, consumption } from "./read/consumption.ts";
import type { Entry } from "./read/entry.ts";
import { SegmentRead } from "./read/segment-read.ts";
import {
  type EntryPage,
  LOAD_OPTIONS,
  type LoadedSegment,
  type LoadOptions,
  type LoadSource,
  loadSegment,
  SEGMENT_PAGE_OPTIONS,
  type SegmentPageOptions,
  toEntryPage,
  toPageFields,
} from "./read/single-page.ts";
import { withRetry } from "./retry/retry.ts";
import { type SegmentStatus, toSegmentStatus } from "./status.ts";
import {
  callBack,
  SEGMENT_SUBSCRIPTION_OPTIONS,
  type StatusCallbacks,
  type StatusEvent,
  type StatusHandlers,
  type StatusSubscriptionOptions,
  subscribeToStatus,
} from "./subscribe/segment-status.ts";
import type { Subscription } from "./subscribe/subscription.ts";
import { type SegmentAppendResult, toAppendResult, toSegmentResult } from "./write/append-result.ts";
import { PRODUCE_OPTIONS, type ProduceOptions, type ProduceSummary, produce } from "./write/produce.ts";
import type { RecordSource } from "./write/production.ts";
import { toRecord } from "./write/to-record.ts";
import {
  APPEND_CONDITIONS,
  type AppendConditions,
  encodeTransaction,
  TRANSACTION_OPTIONS,
  type TransactionOptions,
} from "./write/transaction.ts";

/** Options of an append to one segment. */
export interface SegmentAppendOptions extends AppendConditions, TransactionOptions {
  /** Ends the call with `CANCELED`. The outcome of the append is then unknown. */
  readonly signal?: AbortSignal;
}

/** Options of a production into one segment. */
export interface SegmentProduceOptions extends ProduceOptions, AppendConditions {}

/** The records that a production has written to a segment. */
export interface SegmentProduceSummary extends ProduceSummary {
  /** Sequence of the first record written; 0 if the source was empty. */
  readonly firstSequence: number;
  /** Sequence of the last record written; 0 if the source was empty. */
  readonly lastSequence: number;
}

/** Options of a subscription to the status of one segment. */
export type SegmentSubscriptionOptions = Omit<StatusSubscriptionOptions, "prefix">;

const SEGMENT_APPEND_OPTIONS = { ...APPEND_CONDITIONS, ...TRANSACTION_OPTIONS, signal };

const SEGMENT_PRODUCE_OPTIONS = { ...PRODUCE_OPTIONS, ...APPEND_CONDITIONS };

const TRIM_OPTIONS = { beforeSequence: position, signal };

/** A handle on one segment, an ordered stream of entries. Handles are light: make as many as you like. */
export class SegmentHandle<Out, In> {
  /** The store's id. */
  readonly storeId: string;
  /** The space's name. */
  readonly space: string;
  /** The segment's name. */
  readonly name: string;
  readonly #context: ClientContext;
  readonly #codec: Codec<Out, In>;

  /** @internal Made by `SpaceHandle.segment`. */
  constructor(context: ClientContext, storeId: string, space: string, name: string, codec: Codec<Out, In>) {
    this.#context = context;
    this.storeId = storeId;
    this.space = space;
    this.name = name;
    this.#codec = codec;
  }

  /** The same segment, with a codec for the values of records: see `json` and `protobuf`. */
  withCodec<O, I>(codec: Codec<O, I>): SegmentHandle<O, I> {
    checkArgument("withCodec", "codec", codec, codecs);
    return new SegmentHandle(this.#context, this.storeId, this.space, this.name, codec);
  }

  /** Appends one record, as `append` does. */
  async publish(record: In | Labeled<In>, options: SegmentAppendOptions = {}): Promise<SegmentAppendResult> {
    checkOptions("publish", options, SEGMENT_APPEND_OPTIONS);
    return this.append([record], options);
  }

  /**
   * Appends records as one transaction (G3), and resolves when they are durable (G4). The client retries with the same
   * transaction id, so the server writes nothing twice (G7).
   */
  async append(records: Iterable<In | Labeled<In>>, options: SegmentAppendOptions = {}): Promise<SegmentAppendResult> {
    checkOptions("append", options, SEGMENT_APPEND_OPTIONS);
    const { expectedLastSequence, fencingToken, signal } = options;
    const append = { segment: this.name, records, expectedLastSequence, fencingToken };
    const place = { ...this.#place, fencingToken: this.#context.fencingToken };
    const transaction = encodeTransaction(place, this.#codec as Codec<never, In>, [append], options);
    const response = await withRetry(this.#context, signal, () => this.#context.peer.append(transaction, signal));
    return toSegmentResult(toAppendResult(response, transaction));
  }

  /**
   * Writes all records of a source in large, pipelined transactions, and resolves when all of them are durable. With
   * `expectedLastSequence`, every transaction expects the last sequence of the one before, so no other writer's records
   * come between.
   *
   * @throws StreamkitError the first failure that retries cannot mend; `acknowledged` counts the durable records
   */
  async produce(
    records: RecordSource<In | Labeled<In>>,
    options: SegmentProduceOptions = {},
  ): Promise<SegmentProduceSummary> {
    checkArgument("produce", "source", records, source);
    checkOptions("produce", options, SEGMENT_PRODUCE_OPTIONS);
    const { name } = this;
    const codec = this.#codec;
    const fencingToken = optionalPosition("fencingToken", options.fencingToken) ?? this.#context.fencingToken;
    const expectedAtFirst = optionalPosition("expectedLastSequence", options.expectedLastSequence);
    let taken = 0n;
    let firstSequence = 0;
    const target = {
      ...this.#place,
      toRecord: (input: In | Labeled<In>, index: number) => {
        const record = toRecord(codec as Codec<never, In>, input, () => `source[${index}]`);
        taken += 1n;
        return { segment: name, record };
      },
      // The producer calls this with the first record of a transaction, which `taken` includes already.
      conditionsOf: () => ({
        expectedLastSequence: expectedAtFirst === undefined ? undefined : expectedAtFirst + taken - 1n,
        fencingToken,
      }),
    };
    const summary = await produce(this.#context, target, records, options, (first) => {
      firstSequence = first.ranges[0].firstSequence;
    });
    return { ...summary, firstSequence, lastSequence: summary.last?.ranges[0].lastSequence ?? 0 };
  }

  /** Reads the latest entry; `undefined` if the segment has no entries. */
  async peek(options: { signal?: AbortSignal } = {}): Promise<Entry<Out> | undefined> {
    checkOptions("peek", options, CALL_OPTIONS);
    const request = { ...this.#place, segment: this.name };
    const encoded = await withRetry(this.#context, options.signal, () =>
      this.#context.peer.peek(request, options.signal),
    );
    return encoded && decodeBatch(this.storeId, encoded, this.#codec as Codec<Out, never>).at(0);
  }

  /**
   * Reads one page of the segment in one call. `EntryPage` says how to read the next page. To read a whole segment, or
   * to follow it, use `consume`.
   */
  async read(options: SegmentPageOptions = {}): Promise<EntryPage<Out>> {
    checkOptions("read", options, SEGMENT_PAGE_OPTIONS);
    const { signal, wait, backward } = options;
    const request = {
      ...this.#place,
      segment: this.name,
      minSequence: toWirePosition("minSequence", options.minSequence),
      maxSequence: toWirePosition("maxSequence", options.maxSequence),
      ...toPageFields(options),
    };
    const page = await withRetry(this.#context, signal, () => this.#context.peer.readSegment(request, signal, wait));
    return toEntryPage(this.storeId, page, this.#codec as Codec<Out, never>, backward);
  }

  /**
   * Loads all entries of the segment in as few calls as possible, for example to rebuild an event-sourced aggregate.
   */
  async load(options: LoadOptions = {}): Promise<LoadedSegment<Out>> {
    checkOptions("load", options, LOAD_OPTIONS);
    const context = this.#context;
    const { signal } = options;
    const request = { ...this.#place, segment: this.name };
    const source: LoadSource = {
      ...request,
      readSegment: (fields) => context.peer.readSegment({ ...request, ...fields }, signal),
      async firstRetained() {
        const { status } = await call(context, StreamService.method.getSegmentStatus, request, signal);
        return Number(status?.firstSequence ?? 0n);
      },
    };
    return loadSegment(source, this.#codec as Codec<Out, never>, context, options);
  }

  /** Reads the segment in sequence order. The read starts when you iterate it: see `Consumption`. */
  consume(options: SegmentReadOptions = {}): Consumption<Out> {
    checkOptions("consume", options, SEGMENT_READ_OPTIONS);
    const context = this.#context;
    const request = { ...this.#place, segment: this.name };
    const source = {
      ...request,
      peer: context.peer,
      async status(signal: AbortSignal) {
        const { status } = await callOnce(context, StreamService.method.getSegmentStatus, request, signal);
        return { first: Number(status?.firstSequence ?? 0n), last: Number(status?.lastSequence ?? 0n) };
      },
    };
    return consumption(() => new SegmentRead(source, options, this.#codec as Codec<Out, never>), context, options);
  }

  /** `consume` with `follow: true`: the read stays open at the head and delivers later commits. */
  follow(options: Omit<SegmentReadOptions, "follow"> = {}): Consumption<Out> {
    checkOptions("follow", options, SEGMENT_FOLLOW_OPTIONS);
    return this.consume({ ...options, follow: true });
  }

  /** Watches the status of the segment, as `SpaceHandle.subscribe` does. */
  subscribe(options?: SegmentSubscriptionOptions): Subscription<StatusEvent>;
  subscribe(options: SegmentSubscriptionOptions, handlers: StatusHandlers): StatusCallbacks;
  subscribe(options: SegmentSubscriptionOptions = {}, handlers?: StatusHandlers) {
    checkOptions("subscribe", options, SEGMENT_SUBSCRIPTION_OPTIONS);
    const subscription = subscribeToStatus(this.#context, { ...this.#place, segment: this.name }, options);
    return handlers === undefined ? subscription : callBack(subscription, handlers);
  }

  /** Asks for the first and last sequence of the segment. All numbers are 0 for a segment without any append. */
  async status(options: { signal?: AbortSignal } = {}): Promise<SegmentStatus> {
    checkOptions("status", options, CALL_OPTIONS);
    const request = { ...this.#place, segment: this.name };
    const response = await call(this.#context, StreamService.method.getSegmentStatus, request, options.signal);
    return toSegmentStatus(this.space, this.name, response.status);
  }

  /**
   * Removes the entries with a sequence below `beforeSequence`, which is 1 to the last sequence + 1; the largest value
   * empties the segment. The server never uses their sequences and offsets again.
   */
  async trim(options: { beforeSequence: Position; signal?: AbortSignal }): Promise<SegmentStatus> {
    checkOptions("trim", options, TRIM_OPTIONS, ["beforeSequence"]);
    const beforeSequence = toWirePosition("beforeSequence", options.beforeSequence);
    const request = { ...this.#place, segment: this.name, beforeSequence };
    const response = await call(this.#context, StreamService.method.trimSegment, request, options.signal);
    return toSegmentStatus(this.space, this.name, response.status);
  }

  /** Removes all entries, and the segment from lists. A later append continues its sequence. */
  async delete(options: { signal?: AbortSignal } = {}): Promise<void> {
    checkOptions("delete", options, CALL_OPTIONS);
    const request = { ...this.#place, segment: this.name };
    await call(this.#context, StreamService.method.deleteSegment, request, options.signal);
  }

  get #place(): { storeId: string; space: string } {
    return { storeId: this.storeId, space: this.space };
  }
}
