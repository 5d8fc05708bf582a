/**
 * Partition keys: the UTF-8 bytes of a partition's name, as a string that people can still read.
 *
 *       byte        unit
 *       00 to 20    U+0100 to U+0120
 *       21 to ff    U+FF01 to U+FFDF: for ASCII its full-width form, so that "s:a" reads "ｓ：ａ"
 *
 * The order of the keys in Azure is the order of the bytes. Azure forbids none of these units, and 300 bytes take 300
 * of the 512 units that it allows. All units are above ASCII, which is left for entities outside of partitions
 * (marker.ts).
 */
import { dataLoss } from "../../errors.ts";

const CONTROL_BASE = 0x0100;
const BASE = 0xfee0;
const FIRST_PRINTABLE = 0x21;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Comes before the keys of all partitions, and after the keys of all other entities. */
export const BEFORE_PARTITIONS = "~";

/** The partition key of a partition. */
export function partitionKeyOf(name: string): string {
  return escapeBytes(Buffer.from(name, "utf8"));
}

/**
 * The name of a partition.
 *
 * @throws DATA_LOSS if no partition has this key
 */
export function partitionOfKey(partitionKey: string): string {
  const bytes = new Uint8Array(partitionKey.length);
  for (let index = 0; index < partitionKey.length; index++) {
    const unit = partitionKey.charCodeAt(index);
    bytes[index] = unit - (unit >= BASE + FIRST_PRINTABLE ? BASE : CONTROL_BASE);
  }
  try {
    const name = decoder.decode(bytes);
    if (partitionKeyOf(name) === partitionKey) return name;
  } catch {
    // Not UTF-8: the error is thrown below.
  }
  throw dataLoss("the table has a partition key that is not the key of any name");
}

/**
 * The first key after those of all partitions whose names start with `prefix`; `undefined` if there is no such bound.
 */
export function afterPartitionPrefix(prefix: string): string | undefined {
  if (prefix === "") return undefined;
  const bytes = Buffer.from(prefix, "utf8");
  // UTF-8 has no byte ff, so the last byte can be incremented.
  bytes[bytes.length - 1] += 1;
  return escapeBytes(bytes);
}

function escapeBytes(bytes: Uint8Array): string {
  let key = "";
  for (const byte of bytes) key += String.fromCharCode(byte + (byte < FIRST_PRINTABLE ? CONTROL_BASE : BASE));
  return key;
}
