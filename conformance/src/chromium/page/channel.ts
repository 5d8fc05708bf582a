/** A message of the channel between the runner and the page. */
export interface ChannelMessage {
  /** Number of the client under test that the message belongs to. */
  readonly client: number;
  readonly bytes: Uint8Array;
}

/**
 * Encodes a message of the channel: the number of the client in four bytes, big-endian, then the bytes.
 *
 * To the page, the first message of a client is its name, an empty message closes it, and all others are operations.
 * From the page, an empty message means that the client is closed. All others are observations; the first one is hello.
 */
export function encodeMessage({ client, bytes }: ChannelMessage): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(4 + bytes.length);
  new DataView(message.buffer).setUint32(0, client);
  message.set(bytes, 4);
  return message;
}

/** Decodes a message of the channel. */
export function decodeMessage(message: ArrayBuffer): ChannelMessage {
  return { client: new DataView(message).getUint32(0), bytes: new Uint8Array(message, 4) };
}
