import { gunzip } from "./gunzip.ts";
import { tooLarge, unreadable } from "./refusal.ts";

export interface BodyRules {
  /** Largest message, in bytes. */
  readonly limit: number;
  /** True when the body is compressed. */
  readonly gzip: boolean;
  /** The content-length header, if there is one. */
  readonly announced: string | null;
  /** Aborted when the call is. */
  readonly signal: AbortSignal;
}

/**
 * Reads a body that is one message, decompressed. A body that is too large is left where it is when that shows.
 *
 * @throws ConnectError REQUEST_TOO_LARGE; INVALID_FIELD for bytes that are not gzip
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
  // What came of a body that was cut off may be valid as far as it goes.
  signal.throwIfAborted();
  if (announced !== null && Number(announced) !== length) {
    throw unreadable(`the body has ${length} bytes, and its header says ${announced}`);
  }
  const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length);
  return gzip ? await gunzip(bytes, limit) : bytes;
}
