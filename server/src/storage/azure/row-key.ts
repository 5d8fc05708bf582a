/**
 * Row keys: binary keys as strings. Their order in Azure (ordinal, by UTF-16 unit) is the order of the bytes.
 *
 * Each byte becomes 9 bits, a 1 and the byte. Every 14 bits become one unit, from U+4E00 on. Zeros pad the end, so that
 * a prefix comes before its continuations. A key of 265 bytes takes 171 units, and a key of 512 bytes takes 330; Azure
 * allows 512. Azure forbids none of the units, and no key looks like a number to software that compares numbers as
 * such.
 *
 * The rest of a value that does not fit into one entity has the key of its row, then "-", then a generation. "-" comes
 * before all units, so a rest follows its row directly, before any other key.
 */
import { dataLoss } from "../../errors.ts";

const FIRST_UNIT = 0x4e00;
const UNIT_BITS = 14;
const REST_MARK = "-";

/** The row key of a key. */
export function rowKeyOf(key: Uint8Array): string {
  let rowKey = "";
  let bits = 0;
  let pending = 0;
  for (const byte of key) {
    pending = (pending << 9) | 0x100 | byte;
    bits += 9;
    if (bits >= UNIT_BITS) {
      bits -= UNIT_BITS;
      rowKey += String.fromCharCode(FIRST_UNIT + (pending >>> bits));
      pending &= (1 << bits) - 1;
    }
  }
  return bits === 0 ? rowKey : rowKey + String.fromCharCode(FIRST_UNIT + (pending << (UNIT_BITS - bits)));
}

/**
 * The key of a row key.
 *
 * @throws DATA_LOSS if no key has this row key
 */
export function keyOfRowKey(rowKey: string): Uint8Array {
  const key = new Uint8Array(Math.floor((rowKey.length * UNIT_BITS) / 9));
  let length = 0;
  let bits = 0;
  let pending = 0;
  for (let index = 0; index < rowKey.length; index++) {
    pending = (pending << UNIT_BITS) | ((rowKey.charCodeAt(index) - FIRST_UNIT) & 0x3fff);
    bits += UNIT_BITS;
    while (bits >= 9) {
      bits -= 9;
      const group = pending >>> bits;
      pending &= (1 << bits) - 1;
      if ((group & 0x100) === 0) break;
      key[length++] = group & 0xff;
    }
  }
  const result = key.subarray(0, length);
  // Catches foreign units, and padding bits that are not zero.
  if (rowKeyOf(result) !== rowKey) throw dataLoss("the table has a row key that is not the key of any row");
  return result;
}

/** The row key of the rest of a row. */
export function restRowKey(rowKey: string, generation: string): string {
  return `${rowKey}${REST_MARK}${generation}`;
}

/** The parts of the row key of a rest; `undefined` for the key of a row. */
export function partsOfRestRowKey(rowKey: string): { rowKey: string; generation: string } | undefined {
  const at = rowKey.indexOf(REST_MARK);
  if (at < 0) return undefined;
  return { rowKey: rowKey.slice(0, at), generation: rowKey.slice(at + REST_MARK.length) };
}
