import { isAbsence } from "./entity.ts";
import { afterPartitionPrefix, BEFORE_PARTITIONS, partitionKeyOf, partitionOfKey } from "./partition-key.ts";
import { partsOfRestRowKey } from "./row-key.ts";
import type { Table } from "./table.ts";

/**
 * Entities per request. A request finds the partitions of that many rows, and skips the other rows of the last one. So
 * a request finds many partitions with few rows each, or one partition with many.
 */
const ENTITIES_PER_REQUEST = 100;

/** Names of partitions that have rows, in byte order. */
export async function partitionNames(
  table: Table,
  { prefix, after, limit }: { prefix: string; after?: string; limit: number },
): Promise<string[]> {
  const names: string[] = [];
  const end = afterPartitionPrefix(prefix);
  const upper = end === undefined ? "" : ` and PartitionKey lt '${end}'`;
  let lower = lowerBound(prefix, after);
  while (names.length < limit) {
    let last: string | undefined;
    const filter = `${lower}${upper}`;
    let continuationToken: string | undefined;
    do {
      const query = { filter, top: ENTITIES_PER_REQUEST, continuationToken, select: ["PartitionKey", "RowKey", "x"] };
      const page = await table.query(query);
      continuationToken = page.continuationToken;
      for (const entity of page.entities) {
        if (entity.partitionKey === last || isAbsence(entity) || partsOfRestRowKey(entity.rowKey) !== undefined)
          continue;
        last = entity.partitionKey;
        names.push(partitionOfKey(last));
      }
      // A page may be empty, or hold only entities that are not rows, and still not be the last.
    } while (last === undefined && continuationToken !== undefined);
    if (last === undefined || continuationToken === undefined) break;
    lower = `PartitionKey gt '${last}'`;
  }
  return names.slice(0, limit);
}

function lowerBound(prefix: string, after: string | undefined): string {
  const first = partitionKeyOf(prefix);
  const previous = partitionKeyOf(after ?? "");
  if (previous >= first && previous !== "") return `PartitionKey gt '${previous}'`;
  return first === "" ? `PartitionKey gt '${BEFORE_PARTITIONS}'` : `PartitionKey ge '${first}'`;
}
