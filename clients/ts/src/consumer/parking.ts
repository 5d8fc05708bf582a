import { StreamkitError } from "../errors/error.ts";
import type { Entry } from "../read/entry.ts";
import type { ConsumedStore } from "./consumed-store.ts";
import type { Parking } from "./options.ts";

const TOO_LARGE: ReadonlySet<string> = new Set(["RECORD_TOO_LARGE", "TRANSACTION_TOO_LARGE"]);

/** Labels of a parked entry: its origin, its error, and the parts that did not fit. */
const PARKED = {
  space: "parked-space",
  segment: "parked-segment",
  sequence: "parked-sequence",
  offset: "parked-offset",
  error: "parked-error",
  without: "parked-without",
};

/**
 * Writes entries to the parking segment, each as one record with its payload, its labels, and labels of its origin.
 * Each record is a transaction of its own, whose id depends on the entry only. A consumer that parks an entry again
 * after a crash therefore writes it once, within the dedupe window.
 *
 * @throws StreamkitError INVALID_FIELD if the consumer has no `parking`
 */
export async function park(
  store: Pick<ConsumedStore<unknown>, "withCodec">,
  { name: consumer, parking }: { readonly name: string; readonly parking?: Parking },
  entries: readonly Entry<unknown>[],
  error: unknown,
  signal: AbortSignal,
): Promise<void> {
  if (parking === undefined) {
    const { space, segment, sequence } = entries[0];
    const message =
      `entry ${sequence} of segment "${segment}" in space "${space}" cannot be parked: the consumer "${consumer}" has no option ` +
      '`parking`. Give it one, such as {parking: {space: "parked"}}';
    throw new StreamkitError("INVALID_FIELD", "invalid_argument", message, { cause: error });
  }
  const segment = store
    .withCodec(PARKED_CODEC)
    .space(parking.space)
    .segment(parking.segment ?? consumer);
  for (const entry of entries) {
    const transactionId = parkingId(consumer, entry.space, entry.offset);
    await appendWhatFits(recordsOf(entry, error), (record) => segment.append([record], { transactionId, signal }));
  }
}

type ParkedRecord = {
  readonly payload: Uint8Array;
  readonly metadata: Record<string, string>;
};

/** The record of a parked entry, first in full, then in two smaller forms: the origin labels need room of their own. */
function* recordsOf(entry: Entry<unknown>, error: unknown): Generator<ParkedRecord> {
  const origin = {
    [PARKED.space]: entry.space,
    [PARKED.segment]: entry.segment,
    [PARKED.sequence]: String(entry.sequence),
    [PARKED.offset]: String(entry.offset),
    [PARKED.error]: (error instanceof Error ? error.message : String(error)).slice(0, 1_000),
  };
  const payload = new Uint8Array(0);
  yield { payload: entry.payload, metadata: { ...entry.metadata, ...origin } };
  yield { payload, metadata: { ...entry.metadata, ...origin, [PARKED.without]: "payload" } };
  yield { payload, metadata: { ...origin, [PARKED.without]: "payload, labels" } };
}

/** Appends the first record that is within the limits. A refused append has written nothing. */
async function appendWhatFits(
  records: Iterable<ParkedRecord>,
  append: (record: ParkedRecord) => Promise<unknown>,
): Promise<void> {
  let refused: unknown;
  for (const record of records) {
    try {
      await append(record);
      return;
    } catch (thrown) {
      if (!(thrown instanceof StreamkitError) || !TOO_LARGE.has(thrown.reason)) throw thrown;
      refused = thrown;
    }
  }
  throw refused;
}

const PARKED_CODEC = {
  encode: (record: ParkedRecord) => record,
  decode: () => undefined,
};

/**
 * The transaction id of a parked entry: a UUID of version 8 (RFC 9562) with a hash of the consumer and the space, and
 * the whole offset, so that no two entries of a space share an id. Pages outside of secure contexts have no
 * `crypto.subtle`, so the hash is FNV-1a.
 */
export function parkingId(consumer: string, space: string, offset: number): string {
  const hex = fnv1a(`${consumer}\n${space}`).toString(16).padStart(16, "0") + offset.toString(16).padStart(14, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-8${hex.slice(15, 18)}-${hex.slice(18)}`;
}

/** The 64 bits of FNV-1a. */
function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
