/**
 * Row keys: binary keys as strings whose order in Azure (ordinal, by UTF-16 unit) is the order of the bytes.
 *
 * Each byte becomes 9 bits, a 1 and the byte, and 14 bits at a time become one unit from U+4E00 on. The end is padded
 * with zeros, so that a prefix comes before what continues it. A key of 265 bytes takes 171 units, one of 512 bytes
 * 330; Azure takes 512. None of the units is a character that Azure forbids, and no key looks like a number to anything
 * that compares numbers as such.
 *
 * The rest of a value that does not fit into one entity has the key of its row, "-", and a generation. "-" comes before
 * all units, so a rest follows its row directly, before any other key.
 */
import { dataLoss } from "../../errors.ts";

const firstUnit = 0x4e00;
const unitBits = 14;
const restMark = "-";

/** The row key of a key. */
export function rowKeyOf(key: Uint8Array): string {
  let rowKey = "";
  let bits = 0;
  let pending = 0;
  for (const byte of key) {
    pending = (pending << 9) | 0x100 | byte;
    bits += 9;
    if (bits >= unitBits) {
      bits -= unitBits;
      rowKey += String.fromCharCode(firstUnit + (pending >>> bits));
      pending &= (1 << bits) - 1;
    }
  }
  return bits === 0 ? rowKey : rowKey + String.fromCharCode(firstUnit + (pending << (unitBits - bits)));
}

/**
 * The key of a row key.
 * @throws DATA_LOSS when there is none.
 */
export function keyOfRowKey(rowKey: string): Uint8Array {
  const key = new Uint8Array(Math.floor((rowKey.length * unitBits) / 9));
  let length = 0;
  let bits = 0;
  let pending = 0;
  for (let index = 0; index < rowKey.length; index++) {
    pending = (pending << unitBits) | ((rowKey.charCodeAt(index) - firstUnit) & 0x3fff);
    bits += unitBits;
    while (bits >= 9) {
      bits -= 9;
      const group = pending >>> bits;
      pending &= (1 << bits) - 1;
      if ((group & 0x100) === 0) break;
      key[length++] = group & 0xff;
    }
  }
  const result = key.subarray(0, length);
  // Catches foreign units, and bits where there should be none.
  if (rowKeyOf(result) !== rowKey) throw dataLoss("a row has a key that no row can have");
  return result;
}

/** The row key of the rest of a row. */
export function restRowKey(rowKey: string, generation: string): string {
  return `${rowKey}${restMark}${generation}`;
}

/** What the row key of a rest is made of; `undefined` for the key of a row. */
export function partsOfRestRowKey(rowKey: string): { rowKey: string; generation: string } | undefined {
  const at = rowKey.indexOf(restMark);
  if (at < 0) return undefined;
  return { rowKey: rowKey.slice(0, at), generation: rowKey.slice(at + restMark.length) };
}
