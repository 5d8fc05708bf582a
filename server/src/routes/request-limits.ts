import { LIMITS, StreamService } from "@streamkit/protocol";

/** Methods whose requests carry records. */
const LARGE: ReadonlySet<string> = new Set(
  [StreamService.method.append, StreamService.method.produce].map(
    (method) => `/${method.parent.typeName}/${method.name}`,
  ),
);

/**
 * Largest message that a method reads, in bytes: without the envelope, as it arrives and after decompression.
 *
 * @param path of the request: "/streamkit.v1.StreamService/Append". Unknown paths have the smaller limit.
 */
export function maxRequestBytes(path: string): number {
  return LARGE.has(path) ? LIMITS.maxRequestBytes : LIMITS.maxSmallRequestBytes;
}
