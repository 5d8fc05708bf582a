/**
 * A stored value: the version of the row as 8 bytes, big-endian, then the value.
 *
 * Versions stay below 2^53, so all other code can take them for plain numbers.
 */
import { dataLoss } from "../../errors.ts";

export const VERSION_BYTES = 8;

/** Joins version and pieces. This is the only copy that Streamkit makes of a value on its way to the database. */
export function storedValue(version: number, pieces: readonly Uint8Array[]): Buffer {
  let length = VERSION_BYTES;
  for (const piece of pieces) length += piece.length;
  const stored = Buffer.allocUnsafe(length);
  writeVersion(stored, version);
  let position = VERSION_BYTES;
  for (const piece of pieces) {
    stored.set(piece, position);
    position += piece.length;
  }
  return stored;
}

export function writeVersion(stored: Buffer, version: number): void {
  stored.writeUInt32BE(Math.floor(version / 0x1_0000_0000), 0);
  stored.writeUInt32BE(version >>> 0, 4);
}

/** @throws DATA_LOSS if the bytes cannot be a stored value */
export function readVersion(stored: Uint8Array): number {
  if (stored.length < VERSION_BYTES) throw dataLoss("a stored row is shorter than its version");
  const high = stored[0] * 0x100_0000 + (stored[1] << 16) + (stored[2] << 8) + stored[3];
  const low = stored[4] * 0x100_0000 + (stored[5] << 16) + (stored[6] << 8) + stored[7];
  const version = high * 0x1_0000_0000 + low;
  if (!Number.isSafeInteger(version)) throw dataLoss("a stored row has an impossible version");
  return version;
}

/** The value without its version: a view, no copy. */
export function valueBytes(stored: Uint8Array): Uint8Array {
  return stored.subarray(VERSION_BYTES);
}
