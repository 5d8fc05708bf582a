import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import { dataLoss } from "../../errors.ts";

/** Compression of the message inside a stored row. */
export type RowCompression = "none" | "zstd";

const FORMAT = 1;
const CODEC = { none: 0, zstd: 1 };
const HEADER_BYTES = 6;
/** zstd saves too little on messages below this size. */
const MIN_COMPRESS_BYTES = 256;
/** A message up to this size is joined before its checksum: a call for each piece costs more than the copy. */
const MAX_JOINED_BYTES = 2_048;

/**
 * Frames an encoded message as proto/streamkit/storage/v1/rows.proto describes: format version, codec, CRC-32C.
 *
 * @param message the encoded message in pieces
 * @returns the row in pieces
 */
export function frameRow(message: readonly Uint8Array[], compression: RowCompression = "none"): Uint8Array[] {
  if (compression === "none") {
    let length = 0;
    for (const piece of message) length += piece.length;
    if (length <= MAX_JOINED_BYTES) return sealRow(joined(message, length));
  }
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
  let crc = codec === CODEC.none ? PLAIN_CRC : crc32c(header.subarray(1, 2));
  for (const piece of pieces) crc = crc32c(piece, crc);
  header[2] = crc;
  header[3] = crc >>> 8;
  header[4] = crc >>> 16;
  header[5] = crc >>> 24;
  return [header, ...pieces];
}

/** Bytes that a row must leave free at its start for `sealRow`. */
export const FRAME_BYTES = HEADER_BYTES;

/** CRC-32C of the codec byte of an uncompressed message. */
const PLAIN_CRC = crc32c(Uint8Array.of(CODEC.none));

/** Frames a message that begins at `FRAME_BYTES` of its row. The row stays one buffer; nothing is copied. */
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

/** The pieces of a message in one buffer that has room for the frame. */
function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const row = Buffer.allocUnsafe(FRAME_BYTES + length);
  let at = FRAME_BYTES;
  for (const piece of pieces) {
    row.set(piece, at);
    at += piece.length;
  }
  return row;
}

/**
 * Removes the frame of a stored row.
 *
 * @param what names the row in errors
 * @throws ServerError DATA_LOSS if the row is damaged (G11), or has a format that this version cannot read
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
 * Removes the frame of a stored row and decodes its message.
 *
 * @param what names the row in errors
 * @throws ServerError DATA_LOSS if the row is damaged or cannot be decoded
 */
export function decodeWith<T>(value: Uint8Array, what: string, decode: (bytes: Uint8Array) => T): T {
  const bytes = unframeRow(value, what);
  try {
    return decode(bytes);
  } catch (cause) {
    throw dataLoss(`${what}: the stored row cannot be decoded`, cause);
  }
}
