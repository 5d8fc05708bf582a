import type { Row } from "../../storage/port.ts";
import { changeRange, TRANSACTION_RANGE } from "../rows/key-space.ts";
import { decodeCommittedTransaction } from "../rows/rows.ts";
import type { SpaceLog } from "../space/space-log.ts";

/** Rows removed with one commit. */
const ROWS_PER_COMMIT = 90;

/**
 * Removes remembered transactions that are older than the dedupe window (G7). On a shared storage, where the time
 * between reading and removing has no bound, a row whose id was used again meanwhile is left alone, and so are those
 * beside it until the next purge.
 */
export async function purgeTransactions(log: SpaceLog, signal: AbortSignal): Promise<void> {
  const start = log.dedupeStart;
  let expired: Row[] = [];
  const remove = async () => {
    const deletes = expired.map(({ key }) => key);
    const conditions = log.shared ? expired.map(({ key, version }) => ({ key, version, alwaysWritten: true })) : [];
    expired = [];
    if (deletes.length > 0) await log.store.commit(log.partition, { conditions, puts: [], deletes });
  };
  for await (const rows of log.store.scan(log.partition, TRANSACTION_RANGE)) {
    for (const row of rows) {
      if (signal.aborted) return;
      if (decodeCommittedTransaction(row.value).commitTimeMicros < start) expired.push(row);
      if (expired.length === ROWS_PER_COMMIT) await remove();
    }
  }
  await remove();
}

/** Changes whose notes are kept, for instances that look at the space seldom. */
const KEPT_CHANGES = 1_024;

/** Removes old notes of changes; whoever misses one reads everything again. */
export async function purgeChanges(log: SpaceLog, signal: AbortSignal): Promise<void> {
  const through = log.head.changes - KEPT_CHANGES;
  if (through <= 0) return;
  const options = { ...changeRange(0, through), limit: ROWS_PER_COMMIT };
  for (let found = ROWS_PER_COMMIT; found === ROWS_PER_COMMIT && !signal.aborted; ) {
    const deletes: Uint8Array[] = [];
    for await (const rows of log.store.scan(log.partition, options)) deletes.push(...rows.map((row) => row.key));
    if (deletes.length > 0) await log.store.commit(log.partition, { conditions: [], puts: [], deletes });
    found = deletes.length;
  }
}
