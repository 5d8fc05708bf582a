import { StreamkitError } from "../errors/error.ts";
import type { Entry } from "../read/entry.ts";
import type { StoreHandle } from "../store.ts";
import type { Parking } from "./options.ts";

/** Labels of an entry that was put aside: where it came from. */
const PARKED = {
  space: "parked-space",
  segment: "parked-segment",
  sequence: "parked-sequence",
  offset: "parked-offset",
};

/**
 * Puts entries aside, each as one record with its payload, its labels, and where it came from. The id of the transaction follows
 * from what is parked, so what a consumer parks again after a crash is written once (within the dedupe window).
 */
export async function park(
  store: StoreHandle<unknown, unknown>,
  { name: consumer, parking }: { readonly name: string; readonly parking?: Parking },
  entries: readonly Entry<unknown>[],
  error: unknown,
  signal: AbortSignal,
): Promise<void> {
  if (parking === undefined) {
    const message = "an entry was to be parked, and the consumer has no `parking`";
    throw new StreamkitError("INVALID_FIELD", "invalid_argument", message, { cause: error });
  }
  const [first] = entries;
  const identity = `${consumer}\n${first.space}\n${first.offset}\n${entries.length}`;
  const records = entries.map((entry) => ({
    payload: entry.payload,
    metadata: {
      ...entry.metadata,
      [PARKED.space]: entry.space,
      [PARKED.segment]: entry.segment,
      [PARKED.sequence]: String(entry.sequence),
      [PARKED.offset]: String(entry.offset),
      "parked-error": (error instanceof Error ? error.message : String(error)).slice(0, 1_000),
    },
  }));
  const segment = store
    .withCodec(bytesOf)
    .space(parking.space)
    .segment(parking.segment ?? consumer);
  await segment.append(records, { transactionId: await uuidOf(identity), signal });
}

const bytesOf = {
  encode: (record: { payload: Uint8Array; metadata: Record<string, string> }) => record,
  decode: () => undefined,
};

/** A UUID of version 8 (RFC 9562) from the first bits of a SHA-256. */
async function uuidOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  digest[6] = (digest[6] & 0x0f) | 0x80;
  digest[8] = (digest[8] & 0x3f) | 0x80;
  const hex = [...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
