import { changeRange, TRANSACTION_RANGE } from "./key-space.ts";
import { decodeCommittedTransaction } from "./rows.ts";
import type { SpaceLog } from "./space-log.ts";

/** Rows removed with one commit. */
const ROWS_PER_COMMIT = 90;

/**
 * Removes remembered transactions that are older than the dedupe window (G7). Unconditional: nobody else writes these rows
 * once they are there, and a removed row means the same as an expired one.
 */
export async function purgeTransactions(log: SpaceLog, signal: AbortSignal): Promise<void> {
  const start = log.dedupeStart;
  let expired: Uint8Array[] = [];
  const remove = async () => {
    if (expired.length > 0) await log.store.commit(log.partition, { conditions: [], puts: [], deletes: expired });
    expired = [];
  };
  for await (const rows of log.store.scan(log.partition, TRANSACTION_RANGE)) {
    for (const row of rows) {
      if (signal.aborted) return;
      if (decodeCommittedTransaction(row.value).commitTime < start) expired.push(row.key);
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
