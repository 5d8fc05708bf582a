/** The frame of an uncompressed stored row, as proto/streamkit/storage/v1/rows.proto describes it. */
const FORMAT = 1;
const UNCOMPRESSED = 0;
const FRAME_BYTES = 6;

/** Returns the message in a stored row. */
export function messageOf(row: Uint8Array): Uint8Array {
  return row.subarray(FRAME_BYTES);
}

/** Returns a stored row with this message. */
export function rowOf(message: Uint8Array): Uint8Array {
  const row = new Uint8Array(FRAME_BYTES + message.length);
  row[0] = FORMAT;
  row[1] = UNCOMPRESSED;
  row.set(message, FRAME_BYTES);
  new DataView(row.buffer).setUint32(2, crc32c([UNCOMPRESSED, ...message]), true);
  return row;
}

/** CRC-32C, computed bit by bit, which suffices for the small rows of mutants. */
function crc32c(bytes: Iterable<number>): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
