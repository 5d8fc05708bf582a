import { gunzip } from "./gunzip.ts";
import { tooLarge, unreadable } from "./refusal.ts";

export interface BodyRules {
  /** Largest message, in bytes. */
  readonly limit: number;
  /** True if the body is compressed. */
  readonly gzip: boolean;
  /** The content-length header; null if the request has none. */
  readonly announced: string | null;
  /** Aborted together with the call. */
  readonly signal: AbortSignal;
}

/**
 * Reads and decompresses a body that is one message. Stops reading as soon as the body is too large, and leaves the
 * rest.
 *
 * @throws ConnectError REQUEST_TOO_LARGE if the body exceeds the limit; INVALID_FIELD if its length differs from the
 * header or its bytes are not gzip; the reason of the signal once the call is aborted
 */
export async function wholeBody(source: AsyncIterator<Uint8Array>, rules: BodyRules): Promise<Uint8Array> {
  const { limit, gzip, announced, signal } = rules;
  if (announced !== null && Number(announced) > limit) throw tooLarge(limit, Number(announced));
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await source.next(); chunk.done !== true; chunk = await source.next()) {
    length += chunk.value.length;
    if (length > limit) throw tooLarge(limit);
    chunks.push(chunk.value);
  }
  // A body that was cut off can be a valid message.
  signal.throwIfAborted();
  if (announced !== null && Number(announced) !== length) {
    throw unreadable(`the body has ${length} bytes, and its header says ${announced}`);
  }
  const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length);
  return gzip ? await gunzip(bytes, limit) : bytes;
}
