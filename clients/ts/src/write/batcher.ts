import { LIMITS } from "@streamkit/protocol";
import { randomId } from "../random-id.ts";
import type { EncodedRecord } from "../wire/record.ts";
import { SegmentAppendEncoder, type SegmentConditions } from "../wire/segment-append-encoder.ts";
import type { SizedTransaction } from "./transaction.ts";

/** Limits of one transaction. */
export interface BatchLimits {
  /** Most records: 1 to 1,000. Default 1,000. */
  readonly maxRecords: number;
  /** Most bytes, as the limits count records: up to 1,048,576. A larger record gets a transaction of its own. */
  readonly maxBytes: number;
}

/** Half of the room that the limits give to the encoding of a transaction beyond the sizes of its records. */
const ROOM_FOR_LABELS = (LIMITS.maxTransactionEncodedBytes - LIMITS.maxTransactionBytes) / 2;

/**
 * Gathers records into one transaction after the other, each within the limits of the protocol. It neither waits nor
 * sends.
 */
export class Batcher {
  /** Number of records in the open transaction. */
  records = 0;

  readonly #place: { readonly storeId: string; readonly space: string };
  readonly #limits: BatchLimits;
  readonly #conditionsOf: (segment: string) => SegmentConditions;
  readonly #encoders = new Map<string, SegmentAppendEncoder>();
  /** Sum of the sizes of these records, as `recordSize` counts. */
  #recordBytes = 0;
  /** Size of the encoding of these records. Labels make it larger than `#recordBytes`. */
  #encodedBytes = 0;
  /** Expected size of the next buffer, from the previous transaction. */
  #expectedBytes = 512;

  constructor(
    place: { storeId: string; space: string },
    limits: Partial<BatchLimits>,
    conditionsOf: (segment: string) => SegmentConditions,
  ) {
    this.#place = place;
    this.#limits = {
      maxRecords: Math.min(limits.maxRecords ?? Number.POSITIVE_INFINITY, LIMITS.maxTransactionRecords),
      maxBytes: Math.min(limits.maxBytes ?? Number.POSITIVE_INFINITY, LIMITS.maxTransactionBytes),
    };
    this.#conditionsOf = conditionsOf;
  }

  /** True if no record fits any more, not even an empty one. */
  get full(): boolean {
    return this.records >= this.#limits.maxRecords || this.#recordBytes >= this.#limits.maxBytes;
  }

  /** True if the open transaction may take this record. An empty transaction takes any; the server may refuse it. */
  fits(segment: string, size: number): boolean {
    if (this.records === 0) return true;
    if (this.records >= this.#limits.maxRecords || this.#recordBytes + size > this.#limits.maxBytes) return false;
    // Leaves room for the labels of this record, whose encoding is not known yet.
    if (this.#encodedBytes + size > LIMITS.maxTransactionBytes + ROOM_FOR_LABELS) return false;
    return this.#encoders.has(segment) || this.#encoders.size < LIMITS.maxTransactionSegments;
  }

  /** Takes a record that fits. Records of one segment keep their order. */
  add(segment: string, record: EncodedRecord, size: number): void {
    let encoder = this.#encoders.get(segment);
    if (encoder === undefined) {
      encoder = new SegmentAppendEncoder(segment, this.#conditionsOf(segment), this.#expectedBytes);
      this.#encoders.set(segment, encoder);
    }
    const before = encoder.byteLength;
    encoder.add(record, size);
    this.#encodedBytes += encoder.byteLength - before;
    this.records += 1;
    this.#recordBytes += size;
  }

  /** Closes the open transaction, gives it a random id, and starts the next one. */
  seal(): SizedTransaction {
    const appends: Uint8Array[] = [];
    const segments: { segment: string; records: number }[] = [];
    let bytes = 0;
    for (const [segment, encoder] of this.#encoders) {
      const message = encoder.finish();
      appends.push(message);
      segments.push({ segment, records: encoder.records });
      bytes += message.length;
    }
    const { storeId, space } = this.#place;
    const { records } = this;
    const transaction = { storeId, space, transactionId: randomId(), appends, segments, records, bytes };
    this.#expectedBytes = Math.ceil(bytes / appends.length) + 64;
    this.#encoders.clear();
    this.records = 0;
    this.#recordBytes = 0;
    this.#encodedBytes = 0;
    return transaction;
  }
}
