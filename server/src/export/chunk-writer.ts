import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ChunkKind, type ExportFooter, ExportFooterSchema } from "@streamkit/protocol/export";
import { CODEC, encodeHead, MAGIC } from "./chunk.ts";

const compress = promisify(zstdCompress);

/** Compression of chunks. */
export type ExportCompression = "zstd" | "none";

/** zstd saves too little on messages below this size. */
const MIN_COMPRESS_BYTES = 256;

/** Makes the bytes of a file, chunk by chunk. Compression runs in a thread of its own. */
export class ChunkWriter {
  readonly #compression: ExportCompression;
  readonly #sha256 = createHash("sha256");
  #chunks = 0;

  constructor(compression: ExportCompression) {
    this.#compression = compression;
  }

  /** The bytes before the first chunk. */
  begin(): Uint8Array {
    this.#sha256.update(MAGIC);
    return MAGIC;
  }

  message<Desc extends DescMessage>(kind: ChunkKind, schema: Desc, message: MessageInitShape<Desc>): Promise<Buffer> {
    return this.bytes(kind, toBinary(schema, create(schema, message)));
  }

  /** @param message the encoded message of the chunk */
  async bytes(kind: ChunkKind, message: Uint8Array): Promise<Buffer> {
    const chunk = await this.#chunk(kind, message);
    this.#sha256.update(chunk);
    return chunk;
  }

  /** The last chunk. */
  footer(counts: Pick<ExportFooter, "spaces" | "entries" | "cursors">): Promise<Buffer> {
    const footer = { ...counts, chunks: BigInt(this.#chunks), sha256: this.#sha256.digest() };
    return this.#chunk(ChunkKind.FOOTER, toBinary(ExportFooterSchema, create(ExportFooterSchema, footer)));
  }

  async #chunk(kind: ChunkKind, message: Uint8Array): Promise<Buffer> {
    const chunk = this.#chunks++;
    let body: Uint8Array = message;
    if (this.#compression === "zstd" && message.length >= MIN_COMPRESS_BYTES) {
      const packed = await compress(message);
      if (packed.length < message.length) body = packed;
    }
    const codec = body === message ? CODEC.none : CODEC.zstd;
    return Buffer.concat([encodeHead(chunk, { kind, codec, messageLength: message.length }, body), body]);
  }
}
