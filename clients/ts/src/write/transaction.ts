import type { Codec, Labeled } from "../codec.ts";
import { invalidArgument } from "../errors/error.ts";
import { type ChecksOf, checkArgument, fields, iterable, text, token } from "../options.ts";
import { optionalPosition, type Position } from "../position.ts";
import { randomId } from "../random-id.ts";
import type { EncodedTransaction } from "../transport/peer.ts";
import { recordSize } from "../wire/record.ts";
import { SegmentAppendEncoder } from "../wire/segment-append-encoder.ts";
import { toRecord } from "./to-record.ts";
import { TransactionSize } from "./transaction-size.ts";

/** Conditions at the commit. If one does not hold, the server refuses the whole transaction. */
export interface AppendConditions {
  /**
   * Last sequence that the segment must have; 0 for a segment without any append. Default: no condition. The append
   * fails with `SEQUENCE_MISMATCH`, which has the actual last sequence.
   */
  readonly expectedLastSequence?: Position;
  /**
   * Token of a lease. The append fails with `FENCED` if the segment has seen a larger token. Default: the token of the
   * enclosing `withLease`, otherwise none.
   */
  readonly fencingToken?: Position;
}

/** The part of a transaction that concerns one segment. */
export interface SegmentAppend<In> extends AppendConditions {
  /** The segment's name. A transaction names each segment once. */
  readonly segment: string;
  /** The records, in order. Default: none; the transaction then only has conditions on the segment. */
  readonly records?: Iterable<In | Labeled<In>>;
}

/** The identity of a transaction. */
export interface TransactionOptions {
  /**
   * A UUID that makes the append exactly-once: a second append with the same id returns the first result and writes
   * nothing. Default: a random id per call, which makes the client's own retries safe. Give an id of your own to retry
   * safely after the end of this process.
   */
  readonly transactionId?: string;
}

export const APPEND_CONDITIONS = {
  expectedLastSequence: token,
  fencingToken: token,
} satisfies ChecksOf<AppendConditions>;

export const TRANSACTION_OPTIONS = { transactionId: text } satisfies ChecksOf<TransactionOptions>;

const SEGMENT_APPEND = fields(
  { ...APPEND_CONDITIONS, segment: text, records: iterable } satisfies ChecksOf<SegmentAppend<unknown>>,
  ["segment"],
);

/** Room for tags and lengths of a record with few labels. */
const RECORD_OVERHEAD_BYTES = 16;

/** An encoded transaction with its size. */
export interface SizedTransaction extends EncodedTransaction {
  /** Its segments, with the number of records for each, in the order of `appends`. */
  readonly segments: readonly { readonly segment: string; readonly records: number }[];
  /** Number of records. */
  readonly records: number;
  /** Encoded size of all segments, in bytes. */
  readonly bytes: number;
}

/**
 * Encodes one transaction.
 *
 * @param place its `fencingToken` is for appends with records and without a token of their own
 * @throws StreamkitError INVALID_FIELD; CODEC_FAILED; RECORD_TOO_LARGE and TRANSACTION_TOO_LARGE, if every server would
 *   refuse the transaction for its size
 */
export function encodeTransaction<In>(
  place: { storeId: string; space: string; fencingToken?: bigint | undefined },
  codec: Codec<never, In>,
  appends: Iterable<SegmentAppend<In>>,
  options: TransactionOptions,
): SizedTransaction {
  const encoded: Uint8Array[] = [];
  const segments: { segment: string; records: number }[] = [];
  const size = new TransactionSize();
  let bytes = 0;
  checkArgument("append", "appends", appends, iterable);
  for (const append of appends) {
    checkArgument("append", `appends[${encoded.length}]`, append, SEGMENT_APPEND);
    size.addSegment();
    const inputs = [...(append.records ?? [])];
    // The token is for writes. A segment with conditions only does not inherit it.
    const inherited = inputs.length > 0 ? place.fencingToken : undefined;
    const conditions = {
      expectedLastSequence: optionalPosition("expectedLastSequence", append.expectedLastSequence),
      fencingToken: optionalPosition("fencingToken", append.fencingToken) ?? inherited,
    };
    let expectedBytes = 0;
    const records = inputs.map((input, index) => {
      const record = toRecord(codec, input, () => `appends[${encoded.length}].records[${index}]`);
      const recordBytes = recordSize(record);
      size.addRecord(append.segment, recordBytes);
      expectedBytes += recordBytes + RECORD_OVERHEAD_BYTES;
      return { record, recordBytes };
    });
    const encoder = new SegmentAppendEncoder(append.segment, conditions, expectedBytes);
    for (const { record, recordBytes } of records) encoder.add(record, recordBytes);
    const message = encoder.finish();
    encoded.push(message);
    segments.push({ segment: append.segment, records: encoder.records });
    size.addEncoding(encoder.recordsByteLength);
    bytes += message.length;
  }
  if (encoded.length === 0) throw invalidArgument("appends", "must name at least one segment");
  const transactionId = options.transactionId ?? randomId();
  const { storeId, space } = place;
  return { storeId, space, transactionId, appends: encoded, segments, records: size.records, bytes };
}
