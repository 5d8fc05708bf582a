import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import { dataLoss } from "../../errors.ts";

/** How the message inside a stored row is encoded. */
export type RowCompression = "none" | "zstd";

const FORMAT = 1;
const CODEC = { none: 0, zstd: 1 };
const HEADER_BYTES = 6;
/** Below this size, zstd saves nothing worth its call. */
const MIN_COMPRESS_BYTES = 256;

/**
 * Puts the frame of proto/streamkit/storage/v1/rows.proto around an encoded message, given in pieces: format version,
 * codec, CRC-32C.
 */
export function frameRow(message: readonly Uint8Array[], compression: RowCompression = "none"): Uint8Array[] {
  let pieces = message;
  let codec = CODEC.none;
  if (compression === "zstd") {
    const plain = message.length === 1 ? message[0] : Buffer.concat(message);
    if (plain.length >= MIN_COMPRESS_BYTES) {
      const packed = zstdCompressSync(plain);
      if (packed.length < plain.length) {
        pieces = [packed];
        codec = CODEC.zstd;
      }
    }
  }
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = FORMAT;
  header[1] = codec;
  let crc = crc32c(header.subarray(1, 2));
  for (const piece of pieces) crc = crc32c(piece, crc);
  header[2] = crc;
  header[3] = crc >>> 8;
  header[4] = crc >>> 16;
  header[5] = crc >>> 24;
  return [header, ...pieces];
}

/** Room that a row begins with, for `sealRow` to fill. */
export const FRAME_BYTES = HEADER_BYTES;

/** CRC-32C of the codec byte of a message that is stored as it is. */
const PLAIN_CRC = crc32c(Uint8Array.of(CODEC.none));

/** Writes the frame in front of a message that begins at `FRAME_BYTES` of the row; the row is one buffer, no copy. */
export function sealRow(row: Uint8Array): Uint8Array[] {
  row[0] = FORMAT;
  row[1] = CODEC.none;
  const crc = crc32c(row.subarray(HEADER_BYTES), PLAIN_CRC);
  row[2] = crc;
  row[3] = crc >>> 8;
  row[4] = crc >>> 16;
  row[5] = crc >>> 24;
  return [row];
}

/**
 * Takes the frame off a stored row.
 *
 * @throws ServerError DATA_LOSS when the row is damaged (G11), or was written in a format this version cannot read.
 */
export function unframeRow(value: Uint8Array, what: string): Uint8Array {
  if (value.length < HEADER_BYTES) throw dataLoss(`${what}: the stored row is cut short`);
  if (value[0] !== FORMAT)
    throw dataLoss(`${what}: the stored row has format ${value[0]}, this version reads ${FORMAT}`);
  const stored = (value[2] | (value[3] << 8) | (value[4] << 16) | (value[5] << 24)) >>> 0;
  const body = value.subarray(HEADER_BYTES);
  const codecCrc = value[1] === CODEC.none ? PLAIN_CRC : crc32c(value.subarray(1, 2));
  if (crc32c(body, codecCrc) !== stored) throw dataLoss(`${what}: the stored row fails its checksum`);
  switch (value[1]) {
    case CODEC.none:
      return body;
    case CODEC.zstd:
      return zstdDecompressSync(body);
    default:
      throw dataLoss(`${what}: the stored row has codec ${value[1]}, this version reads 0 and 1`);
  }
}

/**
 * Takes the frame off a stored row and decodes it.
 *
 * @throws ServerError DATA_LOSS
 */
export function decodeWith<T>(value: Uint8Array, what: string, decode: (bytes: Uint8Array) => T): T {
  const bytes = unframeRow(value, what);
  try {
    return decode(bytes);
  } catch (cause) {
    throw dataLoss(`${what}: the stored row cannot be decoded`, cause);
  }
}
