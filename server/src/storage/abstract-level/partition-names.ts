import type { Database } from "./database.ts";
import { afterPartition, partitionOf } from "./stored-key.ts";

/** The first key that can be a row: all smaller keys belong to the store itself (stored-key.ts). */
const firstRowKey = Buffer.of(0x01);

/** Names of partitions that have rows. Seeks from one partition to the next; the cost does not depend on their rows. */
export async function partitionNames(
  database: Database,
  { prefix, after = "", limit }: { prefix: string; after?: string; limit: number },
): Promise<string[]> {
  const names: string[] = [];
  const prefixBytes = Buffer.from(prefix, "utf8");
  const start = [firstRowKey, prefixBytes, afterPartition(Buffer.from(after, "utf8"))].reduce((a, b) =>
    Buffer.compare(a, b) < 0 ? b : a,
  );
  const keys = database.keys({ gte: start });
  try {
    while (names.length < limit) {
      const key = await keys.next();
      if (key === undefined) break;
      const name = Buffer.from(partitionOf(key));
      if (!name.subarray(0, prefixBytes.length).equals(prefixBytes)) break;
      names.push(name.toString("utf8"));
      keys.seek(afterPartition(name));
    }
  } finally {
    await keys.close();
  }
  return names;
}
