import { StreamkitError } from "../errors/error.ts";
import type { Entry } from "../read/entry.ts";
import type { ConsumedStore } from "./consumed-store.ts";
import type { Parking } from "./options.ts";

const TOO_LARGE: ReadonlySet<string> = new Set(["RECORD_TOO_LARGE", "TRANSACTION_TOO_LARGE"]);

/** Labels of an entry that was put aside: where it came from, why it is here, and what did not fit. */
const PARKED = {
  space: "parked-space",
  segment: "parked-segment",
  sequence: "parked-sequence",
  offset: "parked-offset",
  error: "parked-error",
  without: "parked-without",
};

/**
 * Puts entries aside, each as one record with its payload, its labels, and where it came from. Each is a transaction of
 * its own, whose id follows from the entry: what a consumer parks again after a crash is written once (within the
 * dedupe window), whatever it comes together with then.
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
      `entry ${sequence} of segment "${segment}" in space "${space}" was to be parked, and the consumer "${consumer}" has no ` +
      '`parking`: give it one, such as {parking: {space: "parked"}}';
    throw new StreamkitError("INVALID_FIELD", "invalid_argument", message, { cause: error });
  }
  const segment = store
    .withCodec(bytesOf)
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

/** What an entry becomes: all of it; or, since that takes more room than the entry did, the more important part. */
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

/** What a limit refuses has written nothing. */
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

const bytesOf = {
  encode: (record: ParkedRecord) => record,
  decode: () => undefined,
};

/**
 * The id under which an entry is parked: a UUID of version 8 (RFC 9562) that has the offset in full, so that no two
 * entries of a space share it, behind a hash of the consumer and the space. Not made with `crypto.subtle`, which pages
 * in no secure context do not have.
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
