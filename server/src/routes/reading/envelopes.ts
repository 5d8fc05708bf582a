import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { ChunkList } from "./chunk-list.ts";
import { gunzip } from "./gunzip.ts";
import { tooLarge, unreadable } from "./refusal.ts";

/** Flags and length before each message of a stream: https://connectrpc.com/docs/protocol#streaming-request */
const HEADER_BYTES = 5;
const COMPRESSED = 0b0000_0001;

export interface EnvelopeRules {
  /** Largest message, in bytes. */
  readonly limit: number;
  /** True if messages may be compressed. */
  readonly gzip: boolean;
  /** Flag of the envelope that ends the stream and is not a message; 0 if the protocol has none. */
  readonly endFlag: number;
  /** True if the method takes exactly one message. */
  readonly single: boolean;
  /** Checks one message. Throws a ConnectError if the message cannot be read. */
  readonly check: (message: Uint8Array) => void;
}

/**
 * Passes on a stream of enveloped messages: complete, decompressed and checked. If a message cannot be read, the
 * messages before it leave first, then the function throws. It does not close the source, because that could end the
 * connection before the answer has left.
 *
 * @throws ConnectError REQUEST_TOO_LARGE or INVALID_FIELD, and the errors of `rules.check`
 */
export async function* checkedEnvelopes(
  source: AsyncIterator<Uint8Array>,
  rules: EnvelopeRules,
): AsyncGenerator<Uint8Array> {
  const waiting = new ChunkList();
  let needed = HEADER_BYTES;
  let messages = 0;
  for (let chunk = await source.next(); chunk.done !== true; chunk = await source.next()) {
    waiting.add(chunk.value);
    if (waiting.length < needed) continue;
    const bytes = waiting.take();
    let from = 0;
    let at = 0;
    try {
      for (needed = HEADER_BYTES; bytes.length - at >= HEADER_BYTES; needed = HEADER_BYTES) {
        const flags = bytes[at];
        const size = readLength(bytes, at + 1);
        checkHeader(flags, size, rules);
        const end = at + HEADER_BYTES + size;
        if (end > bytes.length) {
          needed = end - at;
          break;
        }
        if ((flags & rules.endFlag) === 0 && ++messages > 1 && rules.single) {
          throw unreadable("the request has more than one message; this method takes one");
        }
        const body = bytes.subarray(at + HEADER_BYTES, end);
        if ((flags & COMPRESSED) !== 0) {
          if (at > from) yield bytes.subarray(from, at);
          from = at;
          const message = await gunzip(body, rules.limit);
          if (flags === COMPRESSED) rules.check(message);
          yield encodeEnvelope(flags ^ COMPRESSED, message);
          from = end;
        } else if (flags === 0) {
          rules.check(body);
        }
        at = end;
      }
    } catch (error) {
      if (at > from) yield bytes.subarray(from, at);
      throw error;
    }
    if (at > from) yield bytes.subarray(from, at);
    waiting.add(bytes.subarray(at));
  }
  if (waiting.length > 0) throw unreadable("the stream ends inside a message");
  if (messages === 0 && rules.single) throw unreadable("the request has no message; this method takes one");
}

function checkHeader(flags: number, size: number, { limit, gzip, endFlag }: EnvelopeRules): void {
  if ((flags & ~(COMPRESSED | endFlag)) !== 0)
    throw unreadable(`a message has unknown flags ${flags}; expected 0 or 1`);
  if ((flags & COMPRESSED) !== 0 && !gzip) {
    throw unreadable("a message is flagged as compressed, but the request names no compression; expected gzip");
  }
  if (size > limit) throw tooLarge(limit, size);
}

function readLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}
