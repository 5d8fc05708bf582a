/**
 * How rows of all partitions share one key space:
 *
 *   utf8(partition) 0x00 key     a row
 *   0x00                         the version counter (version-counter.ts)
 *
 * Partition names are not empty and hold no U+0000. So the rows of a partition are contiguous, partitions lie in the
 * byte order of their names, no name is confused with its prefix, and nothing collides with the counter.
 */
import { LRUCache } from "lru-cache";

const SEPARATOR = 0x00;

/** Encoding a name costs more than the rest of a key, and a busy store writes few partitions at a time. */
const prefixes = new LRUCache<string, Buffer>({ max: 1_000 });

/** The bytes that every stored key of a partition starts with. */
export function partitionPrefix(partition: string): Buffer {
  let prefix = prefixes.get(partition);
  if (prefix === undefined) {
    prefix = Buffer.from(`${partition}\0`, "utf8");
    prefixes.set(partition, prefix);
  }
  return prefix;
}

/** The stored key of a row. */
export function storedKey(prefix: Uint8Array, key: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(prefix.length + key.length);
  stored.set(prefix, 0);
  stored.set(key, prefix.length);
  return stored;
}

/** The bytes of the partition's name within a stored key. */
export function partitionOf(stored: Uint8Array): Uint8Array {
  return stored.subarray(0, stored.indexOf(SEPARATOR));
}

/** The first possible stored key after all rows of the partition. */
export function afterPartition(name: Uint8Array): Buffer {
  const bound = Buffer.allocUnsafe(name.length + 1);
  bound.set(name, 0);
  bound[name.length] = SEPARATOR + 1;
  return bound;
}
