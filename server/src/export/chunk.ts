import { crc32c } from "@node-rs/crc32";

/** The first bytes of a file. */
export const MAGIC = Buffer.from("SKEXPORT", "latin1");
export const CHUNK_HEAD_BYTES = 16;
/** Most bytes of the message in a chunk, and of its body. */
export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
export const CODEC = { none: 0, zstd: 1 } as const;

/** The head of a chunk, as export.proto describes it. */
export interface ChunkHead {
  readonly kind: number;
  readonly codec: number;
  /** Zero in every file of this format. */
  readonly reserved: number;
  readonly bodyLength: number;
  readonly messageLength: number;
  readonly crc: number;
}

export function decodeHead(bytes: Buffer): ChunkHead {
  return {
    kind: bytes[0],
    codec: bytes[1],
    reserved: bytes.readUInt16LE(2),
    bodyLength: bytes.readUInt32LE(4),
    messageLength: bytes.readUInt32LE(8),
    crc: bytes.readUInt32LE(12),
  };
}

export function encodeHead(
  chunk: number,
  { kind, codec, messageLength }: Pick<ChunkHead, "kind" | "codec" | "messageLength">,
  body: Uint8Array,
): Buffer {
  const head = Buffer.alloc(CHUNK_HEAD_BYTES);
  head[0] = kind;
  head[1] = codec;
  head.writeUInt32LE(body.length, 4);
  head.writeUInt32LE(messageLength, 8);
  head.writeUInt32LE(checksum(chunk, head, body), 12);
  return head;
}

/** CRC-32C of the number of the chunk, the head before the checksum, and the body. */
export function checksum(chunk: number, head: Uint8Array, body: Uint8Array): number {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(chunk));
  return crc32c(body, crc32c(head.subarray(0, CHUNK_HEAD_BYTES - 4), crc32c(number)));
}
