/** Chunks below this size are copied, because the object of a chunk takes about 200 bytes. */
const SMALL_BYTES = 1_024;
/** Smallest and largest block for the chunks after the first one. */
const MIN_BLOCK_BYTES = 1_024;
const MAX_BLOCK_BYTES = 64 * 1_024;

/**
 * The chunks of a message that is arriving. A chunk is a view of one read of the connection, up to 64 KiB, and would
 * keep all of it in memory. A client decides how little of each read belongs to the message. So the list copies a chunk
 * if it would otherwise keep more than twice the bytes that it counts. The chunks of a large message share their reads,
 * and only the first of them are copied.
 */
export class ChunkList {
  #parts: Uint8Array[] = [];
  #length = 0;
  /** Block for copies, and how much of it is in use. */
  #block = new Uint8Array(0);
  #used = 0;
  /** Bytes of the buffers behind all parts. */
  #kept = 0;
  /** The buffer behind the latest part that is a view. */
  #shared: ArrayBufferLike | undefined;

  /** Bytes of all chunks. */
  get length(): number {
    return this.#length;
  }

  add(chunk: Uint8Array): void {
    const { byteLength } = chunk;
    const kept = this.#kept + (chunk.buffer === this.#shared ? 0 : chunk.buffer.byteLength);
    if (byteLength >= SMALL_BYTES && kept <= 2 * (this.#length + byteLength)) {
      this.#seal();
      this.#parts.push(chunk);
      this.#length += byteLength;
      this.#kept = kept;
      this.#shared = chunk.buffer;
      return;
    }
    for (let at = 0; at < byteLength; ) {
      if (this.#used === this.#block.length) this.#grow(byteLength - at);
      const size = Math.min(byteLength - at, this.#block.length - this.#used);
      this.#block.set(size === byteLength ? chunk : chunk.subarray(at, at + size), this.#used);
      this.#used += size;
      this.#length += size;
      at += size;
    }
  }

  /** Returns all chunks as one. The list keeps them. */
  join(): Uint8Array {
    this.#seal();
    if (this.#parts.length !== 1) {
      this.#parts = [Buffer.concat(this.#parts, this.#length)];
      this.#kept = this.#length;
      this.#shared = undefined;
    }
    return this.#parts[0];
  }

  /** Returns all chunks as one, and empties the list. */
  take(): Uint8Array {
    const joined = this.join();
    this.#parts = [];
    this.#length = 0;
    this.#kept = 0;
    this.#shared = undefined;
    return joined;
  }

  #grow(neededBytes: number): void {
    this.#seal();
    // Most messages arrive in one chunk. For the others, blocks grow with the message.
    const further = this.#length === 0 ? 0 : Math.max(MIN_BLOCK_BYTES, Math.min(MAX_BLOCK_BYTES, this.#length));
    this.#block = new Uint8Array(Math.max(neededBytes, further));
    this.#kept += this.#block.length;
  }

  /** Makes the filled part of the block a part of the list. */
  #seal(): void {
    if (this.#used > 0) this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = new Uint8Array(0);
    this.#used = 0;
  }
}
