/** Frames a message for the hub: its length and the length of its topic, four bytes each, then topic and message. */
export function frameOf(topic: string, message: Uint8Array): Buffer {
  const name = Buffer.from(topic);
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32BE(name.length + message.length, 0);
  sizes.writeUInt32BE(name.length, 4);
  return Buffer.concat([sizes, name, message]);
}

/** Assembles frames from the chunks of a socket. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  *read(chunk: Buffer): Generator<{ readonly topic: string; readonly message: Uint8Array }> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 8) {
      const end = 8 + this.#rest.readUInt32BE(0);
      if (this.#rest.length < end) return;
      const start = 8 + this.#rest.readUInt32BE(4);
      yield { topic: this.#rest.toString("utf8", 8, start), message: Uint8Array.from(this.#rest.subarray(start, end)) };
      this.#rest = this.#rest.subarray(end);
    }
  }
}
