import { LIMITS } from "@streamkit/protocol";
import type { ClientContext } from "../context.ts";
import { StreamkitError } from "../errors/error.ts";
import { type ChecksOf, callback, count, millis, signal } from "../options.ts";
import type { EncodedRecord } from "../wire/record.ts";
import type { SegmentConditions } from "../wire/segment-append-encoder.ts";
import type { AppendResult } from "./append-result.ts";
import { Batcher } from "./batcher.ts";
import { Pipeline } from "./pipeline.ts";
import { Production, type RecordSource } from "./production.ts";

/** How a source is written. */
export interface ProduceOptions {
  /** Most records per transaction: 1 to 1,000. Default 1,000. */
  readonly maxBatchRecords?: number;
  /** Most bytes per transaction, as the limits count records: up to 1,048,576. Default 245,760 (240 KiB). */
  readonly maxBatchBytes?: number;
  /**
   * How long an open transaction waits for more records, in milliseconds. Default 0: it is sent as soon as the source
   * has nothing ready.
   */
  readonly linger?: number;
  /** Most transactions sent and not yet durable. Default 32. */
  readonly maxInFlight?: number;
  /** Most bytes sent and not yet durable. Default 16 MiB. */
  readonly maxInFlightBytes?: number;
  /** Told of each transaction that is durable, in order. */
  readonly onAck?: (result: AppendResult) => void;
  /** Ends the production with `CANCELED`; the outcome of what is in flight is then unknown. */
  readonly signal?: AbortSignal;
}

export const PRODUCE_OPTIONS = {
  maxBatchRecords: count(1, LIMITS.maxTransactionRecords),
  maxBatchBytes: count(1, LIMITS.maxTransactionBytes),
  linger: millis(0),
  maxInFlight: count(1),
  maxInFlightBytes: count(1),
  onAck: callback,
  signal,
} satisfies ChecksOf<ProduceOptions>;

/** What a production has written. */
export interface ProduceSummary {
  /** Records that are durable. */
  readonly records: number;
  /** Transactions that are durable. */
  readonly transactions: number;
  /** The result of the last one; `undefined` when there was none. */
  readonly last: AppendResult | undefined;
}

/**
 * Default size of a transaction. With its overhead it stays just below 256 KiB: encoders double their buffers, and
 * transactions of a little more than a power of two took a quarter more of the client's time.
 */
const BATCH_BYTES = 240 * 1_024;

/** Default bounds of what is in flight. */
export const PIPELINE_LIMITS = { maxInFlight: 32, maxInFlightBytes: 16 * 1_048_576 };

/** Where the records of a production go. */
export interface ProduceTarget<V> {
  readonly storeId: string;
  readonly space: string;
  readonly toRecord: (item: V, index: number) => { segment: string; record: EncodedRecord };
  /** Conditions of the next transaction on a segment. */
  readonly conditionsOf: (segment: string) => SegmentConditions;
}

/**
 * Writes a source. On failure the error that is thrown has what was acknowledged as `acknowledged`.
 */
export async function produce<V>(
  context: ClientContext,
  target: ProduceTarget<V>,
  source: RecordSource<V>,
  options: ProduceOptions,
  onFirst?: (result: AppendResult) => void,
): Promise<ProduceSummary> {
  const limits = {
    maxInFlight: options.maxInFlight ?? PIPELINE_LIMITS.maxInFlight,
    maxInFlightBytes: options.maxInFlightBytes ?? PIPELINE_LIMITS.maxInFlightBytes,
  };
  const pipeline = new Pipeline(context, limits, options.signal);
  const batcher = new Batcher(
    target,
    { maxRecords: options.maxBatchRecords, maxBytes: options.maxBatchBytes ?? BATCH_BYTES },
    target.conditionsOf,
  );
  const summary = { records: 0, transactions: 0, last: undefined as AppendResult | undefined };
  const production = new Production<V>(pipeline, batcher, options.linger ?? 0, {
    toRecord: target.toRecord,
    onAck(result, transaction) {
      if (summary.transactions === 0) onFirst?.(result);
      summary.records += transaction.records;
      summary.transactions += 1;
      summary.last = result;
      options.onAck?.(result);
    },
  });
  try {
    await production.run(source);
  } catch (error) {
    if (error instanceof StreamkitError) {
      error.acknowledged = { records: summary.records, transactions: summary.transactions };
    }
    throw error;
  }
  return summary;
}
