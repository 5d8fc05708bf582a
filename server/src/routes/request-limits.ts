import { LIMITS, StreamService } from "@streamkit/protocol";

/** Methods whose requests carry records. */
const LARGE: ReadonlySet<string> = new Set(
  [StreamService.method.append, StreamService.method.produce].map(
    (method) => `/${method.parent.typeName}/${method.name}`,
  ),
);

/**
 * Returns the size of the largest message that a method accepts, in bytes. The limit applies to the message without its
 * envelope, both as it arrives and after decompression.
 *
 * @param path path of the request, such as "/streamkit.v1.StreamService/Append"; unknown paths have the smaller limit
 */
export function maxRequestBytes(path: string): number {
  return LARGE.has(path) ? LIMITS.maxRequestBytes : LIMITS.maxSmallRequestBytes;
}
