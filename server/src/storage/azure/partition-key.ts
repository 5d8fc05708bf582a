/**
 * Partition keys: names of partitions, byte by byte of their UTF-8, as strings that people can still read.
 *
 *   byte        unit
 *   00 to 20    U+0100 to U+0120
 *   21 to ff    U+FF01 to U+FFDF: for ASCII its full-width form, so that "s:a" reads "ｓ：ａ"
 *
 * Their order in Azure is the order of the bytes, none of them is forbidden there, and 300 bytes take 300 of 512 units.
 * All are above ASCII, which is left for what is no partition (marker.ts).
 */
import { dataLoss } from "../../errors.ts";

const controlBase = 0x0100;
const base = 0xfee0;
const firstPrintable = 0x21;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Comes before the keys of all partitions, and after those of everything else. */
export const beforePartitions = "~";

/** The partition key of a partition. */
export function partitionKeyOf(name: string): string {
  return escapeBytes(Buffer.from(name, "utf8"));
}

/**
 * The name of a partition.
 * @throws DATA_LOSS when no partition has this key.
 */
export function partitionOfKey(partitionKey: string): string {
  const bytes = new Uint8Array(partitionKey.length);
  for (let index = 0; index < partitionKey.length; index++) {
    const unit = partitionKey.charCodeAt(index);
    bytes[index] = unit - (unit >= base + firstPrintable ? base : controlBase);
  }
  try {
    const name = decoder.decode(bytes);
    if (partitionKeyOf(name) === partitionKey) return name;
  } catch {
    // Not UTF-8: below.
  }
  throw dataLoss("a partition has a key that no partition can have");
}

/**
 * The first key after those of all partitions whose names start with `prefix`; `undefined` when nothing limits them.
 */
export function afterPartitionPrefix(prefix: string): string | undefined {
  if (prefix === "") return undefined;
  const bytes = Buffer.from(prefix, "utf8");
  // UTF-8 has no byte ff, so the last one can be counted up.
  bytes[bytes.length - 1]! += 1;
  return escapeBytes(bytes);
}

function escapeBytes(bytes: Uint8Array): string {
  let key = "";
  for (const byte of bytes) key += String.fromCharCode(byte + (byte < firstPrintable ? controlBase : base));
  return key;
}
