/** Frames a message for a byte stream: four bytes of length, big-endian, then the message. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + message.length);
  new DataView(framed.buffer).setUint32(0, message.length);
  framed.set(message, 4);
  return framed;
}

/** Most bytes of one framed message: far more than the largest response of the protocol. */
const MAX_FRAME_BYTES = 64 * 1_048_576;

/**
 * Splits a byte stream into messages.
 *
 * @throws Error if a length exceeds MAX_FRAME_BYTES, or the stream ends inside a message
 */
export async function* unframe(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    while (held.length >= 4) {
      const length = held.readUInt32BE(0);
      if (length > MAX_FRAME_BYTES)
        throw new Error(`a frame has ${length} bytes; at most ${MAX_FRAME_BYTES} are allowed`);
      if (held.length < 4 + length) break;
      yield held.subarray(4, 4 + length);
      held = held.subarray(4 + length);
    }
  }
  if (held.length > 0) throw new Error("the stream ended inside a message");
}
