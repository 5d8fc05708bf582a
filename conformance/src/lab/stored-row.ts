/** The frame around stored rows, as proto/streamkit/storage/v1/rows.proto describes it, without compression. */
const FORMAT = 1;
const UNCOMPRESSED = 0;
const FRAME_BYTES = 6;

/** The message in a stored row. */
export function messageOf(row: Uint8Array): Uint8Array {
  return row.subarray(FRAME_BYTES);
}

/** A stored row with this message. */
export function rowOf(message: Uint8Array): Uint8Array {
  const row = new Uint8Array(FRAME_BYTES + message.length);
  row[0] = FORMAT;
  row[1] = UNCOMPRESSED;
  row.set(message, FRAME_BYTES);
  new DataView(row.buffer).setUint32(2, crc32c([UNCOMPRESSED, ...message]), true);
  return row;
}

/** CRC-32C, bit by bit: the rows of mutants are small. */
function crc32c(bytes: Iterable<number>): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
