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

/** Options of a production. */
export interface ProduceOptions {
  /** Most records per transaction: 1 to 1,000. Default 1,000. */
  readonly maxBatchRecords?: number;
  /** Most bytes of records per transaction: 1 to 1,048,576. Default 245,760 (240 KiB). */
  readonly maxBatchBytes?: number;
  /**
   * Longest wait of an open transaction for more records, in milliseconds. Default 0: the client sends it as soon as
   * the source has no record ready.
   */
  readonly linger?: number;
  /** Most transactions in flight: sent and not yet durable. Default 32. */
  readonly maxInFlight?: number;
  /** Most bytes in flight. Default 16 MiB. */
  readonly maxInFlightBytes?: number;
  /** Called with the result of each durable transaction, in order. */
  readonly onAck?: (result: AppendResult) => void;
  /** Ends the production with `CANCELED`. The outcome of the transactions in flight is then unknown. */
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

/** The result of a production. */
export interface ProduceSummary {
  /** Number of durable records. */
  readonly records: number;
  /** Number of durable transactions. */
  readonly transactions: number;
  /** The result of the last transaction; `undefined` if the source was empty. */
  readonly last: AppendResult | undefined;
}

/**
 * Default size of a transaction. With its overhead it stays just below 256 KiB: encoders double their buffers, and
 * transactions of a little more than a power of two took a quarter more of the client's time.
 */
const BATCH_BYTES = 240 * 1_024;

/** Default bounds of the transactions in flight. */
export const PIPELINE_LIMITS = { maxInFlight: 32, maxInFlightBytes: 16 * 1_048_576 };

/** The space of a production, and the way from an item of the source to a record. */
export interface ProduceTarget<V> {
  readonly storeId: string;
  readonly space: string;
  readonly toRecord: (item: V, index: number) => { segment: string; record: EncodedRecord };
  /** Conditions of the next transaction on a segment. */
  readonly conditionsOf: (segment: string) => SegmentConditions;
}

/** Writes all records of a source. If it fails, `acknowledged` of the error counts the durable records. */
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
