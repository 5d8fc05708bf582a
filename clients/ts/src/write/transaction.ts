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

/** What must hold at commit, or the whole transaction is refused. */
export interface AppendConditions {
  /**
   * The segment's last sequence must be exactly this: 0 means "never written". Absent: no condition. Fails with
   * `SEQUENCE_MISMATCH`, which has the actual one.
   */
  readonly expectedLastSequence?: Position;
  /** From a lease: must be at least the largest token this segment has seen. Fails with `FENCED`. */
  readonly fencingToken?: Position;
}

/** What one transaction does with one segment. */
export interface SegmentAppend<In> extends AppendConditions {
  /** The segment's name. A transaction names each segment once. */
  readonly segment: string;
  /** The records, in order. Absent or empty: the transaction only depends on the segment. */
  readonly records?: Iterable<In | Labeled<In>>;
}

/** What identifies a transaction. */
export interface TransactionOptions {
  /**
   * Makes the append exactly-once: the same id again returns the first result and writes nothing. Give one to be safe
   * beyond this process; by default the client makes one up per call, and its own retries are safe. A UUID.
   */
  readonly transactionId?: string;
}

export const APPEND_CONDITIONS = {
  expectedLastSequence: token,
  fencingToken: token,
} satisfies ChecksOf<AppendConditions>;

export const TRANSACTION_OPTIONS = { transactionId: text } satisfies ChecksOf<TransactionOptions>;

const SEGMENT_APPEND = {
  ...APPEND_CONDITIONS,
  segment: text,
  records: iterable,
} satisfies ChecksOf<SegmentAppend<unknown>>;

/** A transaction whose size is known. */
export interface SizedTransaction extends EncodedTransaction {
  /** Its segments, with the number of records for each, in the order of `appends`. */
  readonly segments: readonly { readonly segment: string; readonly records: number }[];
  /** Number of records. */
  readonly records: number;
  /** Encoded size of all segments, in bytes. */
  readonly bytes: number;
}

/**
 * Encodes one transaction. `place` may have a token for appends that name none.
 *
 * @throws StreamkitError RECORD_TOO_LARGE, TRANSACTION_TOO_LARGE: nothing is sent that every server refuses for its
 *   size
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
    checkArgument("append", `appends[${encoded.length}]`, append, fields(SEGMENT_APPEND, ["segment"]));
    size.addSegment();
    const inputs = [...(append.records ?? [])];
    // A segment that is only conditioned is not written under the lease.
    const inherited = inputs.length > 0 ? place.fencingToken : undefined;
    const encoder = new SegmentAppendEncoder(append.segment, {
      expectedLastSequence: optionalPosition("expectedLastSequence", append.expectedLastSequence),
      fencingToken: optionalPosition("fencingToken", append.fencingToken) ?? inherited,
    });
    inputs.forEach((input, index) => {
      const record = toRecord(codec, input, () => `appends[${encoded.length}].records[${index}]`);
      const recordBytes = recordSize(record);
      size.addRecord(append.segment, recordBytes);
      encoder.add(record, recordBytes);
    });
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
