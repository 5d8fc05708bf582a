import { ChunkList } from "./chunk-list.ts";
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
  const chunks = new ChunkList();
  for (let chunk = await source.next(); chunk.done !== true; chunk = await source.next()) {
    if (chunks.length + chunk.value.length > limit) throw tooLarge(limit);
    chunks.add(chunk.value);
  }
  // A body that was cut off can be a valid message.
  signal.throwIfAborted();
  if (announced !== null && Number(announced) !== chunks.length) {
    throw unreadable(`the body has ${chunks.length} bytes, and its header says ${announced}`);
  }
  const bytes = chunks.join();
  return gzip ? await gunzip(bytes, limit) : bytes;
}
