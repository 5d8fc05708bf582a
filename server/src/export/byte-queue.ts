/** Reads a number of bytes at a time from pieces of any size. Holds no more than the largest piece and one read. */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #pieces: Uint8Array[] = [];
  #held = 0;
  #position = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#position;
  }

  /** Reads `length` bytes, or fewer at the end of the source. */
  async read(length: number): Promise<Buffer> {
    while (this.#held < length && !this.#ended) {
      const { done, value } = await this.#source.next();
      if (done === true) {
        this.#ended = true;
      } else if (value.length > 0) {
        this.#pieces.push(value);
        this.#held += value.length;
      }
    }
    const taken = Math.min(length, this.#held);
    const first = this.#pieces[0];
    let bytes: Buffer;
    if (first !== undefined && first.length >= taken) {
      bytes = Buffer.from(first.buffer, first.byteOffset, taken);
      this.#keep([first.subarray(taken), ...this.#pieces.slice(1)]);
    } else {
      const all = Buffer.concat(this.#pieces);
      bytes = all.subarray(0, taken);
      this.#keep([all.subarray(taken)]);
    }
    this.#held -= taken;
    this.#position += taken;
    return bytes;
  }

  /** Releases the source. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #keep(pieces: Uint8Array[]): void {
    this.#pieces = pieces.filter((piece) => piece.length > 0);
  }
}
