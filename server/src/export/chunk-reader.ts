import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { ChunkKind, ExportFooterSchema } from "@streamkit/protocol/export";
import { ByteQueue } from "./byte-queue.ts";
import { CHUNK_HEAD_BYTES, type ChunkHead, CODEC, checksum, decodeHead, MAGIC, MAX_MESSAGE_BYTES } from "./chunk.ts";
import { ExportFileError, type FileProblem, type Place } from "./export-file-error.ts";

/** One chunk whose bytes are as they were written. */
export interface Chunk extends Place {
  readonly kind: ChunkKind;
  /** The encoded message. */
  readonly message: Uint8Array;
  /** Bytes of the file up to the end of the chunk. */
  readonly end: number;
}

// With `info`, the result says how many bytes of the body belong to the frame.
const decompress = promisify(zstdDecompress) as unknown as (
  body: Uint8Array,
  options: { info: true; maxOutputLength: number },
) => Promise<{ buffer: Buffer; engine: { bytesWritten: number } }>;

/**
 * Reads the chunks of a file, and checks the bytes of each before it yields the chunk: lengths, checksum, compression.
 * The footer must have the number of chunks and the SHA-256 of the bytes before it, and must end the file.
 *
 * @throws ExportFileError
 */
export async function* readChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk, void, undefined> {
  const queue = new ByteQueue(source);
  try {
    yield* chunksOf(queue);
  } finally {
    await queue.close();
  }
}

async function* chunksOf(queue: ByteQueue): AsyncGenerator<Chunk, void, undefined> {
  const sha256 = createHash("sha256");
  const magic = await queue.read(MAGIC.length);
  if (!magic.equals(MAGIC)) {
    const found = magic.length === 0 ? "the file is empty" : "the file does not begin with SKEXPORT";
    throw new ExportFileError("foreign", { chunk: 0, at: 0 }, `this is not the file of an export: ${found}`);
  }
  sha256.update(magic);
  for (let chunk = 0; ; chunk++) {
    const place = { chunk, at: queue.position };
    const fail = (problem: FileProblem, message: string, cause?: unknown) =>
      new ExportFileError(problem, place, message, cause);
    const headBytes = await queue.read(CHUNK_HEAD_BYTES);
    if (headBytes.length < CHUNK_HEAD_BYTES) throw fail("cut", "the file ends before its footer");
    const head = decodeHead(headBytes);
    if (Math.max(head.bodyLength, head.messageLength) > MAX_MESSAGE_BYTES) {
      throw fail("damaged", `the chunk claims more than ${MAX_MESSAGE_BYTES} bytes`);
    }
    const body = await queue.read(head.bodyLength);
    if (body.length < head.bodyLength) throw fail("cut", "the file ends inside of a chunk");
    if (checksum(chunk, headBytes, body) !== head.crc) throw fail("damaged", "the chunk fails its checksum");
    const message = await messageOf(head, body, fail);
    if (head.kind === ChunkKind.FOOTER) {
      checkFooter(message, chunk, sha256.digest(), fail);
      if ((await queue.read(1)).length > 0) throw fail("damaged", "the file goes on after its footer");
    } else {
      sha256.update(headBytes);
      sha256.update(body);
    }
    yield { ...place, kind: head.kind, message, end: place.at + CHUNK_HEAD_BYTES + body.length };
    if (head.kind === ChunkKind.FOOTER) return;
  }
}

type Fail = (problem: FileProblem, message: string, cause?: unknown) => ExportFileError;

async function messageOf(head: ChunkHead, body: Buffer, fail: Fail): Promise<Uint8Array> {
  const { codec, reserved, messageLength } = head;
  if (reserved !== 0) throw fail("newer", "bytes 2 and 3 of the chunk are not zero");
  if (codec === CODEC.none) {
    if (body.length !== messageLength) throw fail("foreign", "the two lengths of the chunk differ");
    return body;
  }
  if (codec !== CODEC.zstd) throw fail("newer", `the chunk has codec ${codec}; this version reads 0 and 1`);
  const unpacked = await decompress(body, { info: true, maxOutputLength: Math.max(1, messageLength) }).catch(
    (cause: unknown) => {
      throw fail("foreign", "the chunk cannot be decompressed to its length", cause);
    },
  );
  // Node reads the first of several frames, and ignores the others.
  if (unpacked.buffer.length !== messageLength || unpacked.engine.bytesWritten !== body.length) {
    throw fail("foreign", "the chunk is not one zstd frame of its length");
  }
  return unpacked.buffer;
}

function checkFooter(message: Uint8Array, chunk: number, sha256: Buffer, fail: Fail): void {
  let footer: { readonly chunks: bigint; readonly sha256: Uint8Array };
  try {
    footer = fromBinary(ExportFooterSchema, message);
  } catch (cause) {
    throw fail("foreign", "the footer cannot be decoded", cause);
  }
  if (footer.chunks !== BigInt(chunk)) {
    throw fail("damaged", `the footer says ${footer.chunks} chunks, and the file has ${chunk} before it`);
  }
  if (!sha256.equals(footer.sha256)) throw fail("damaged", "the file does not have the SHA-256 of its footer");
}
