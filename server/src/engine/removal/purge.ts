import type { Row } from "../../storage/port.ts";
import { changeRange, TRANSACTION_RANGE } from "../rows/key-space.ts";
import { decodeCommittedTransaction } from "../rows/rows.ts";
import type { SpaceLog } from "../space/space-log.ts";

/** Most rows that one commit removes. */
const ROWS_PER_COMMIT = 90;

/**
 * Removes remembered transactions that are older than the dedupe window (G7). On a shared storage, the time between
 * reading and removing has no bound. If another instance has used an id of the batch again meanwhile, the whole batch
 * stays until the next purge.
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

/** Number of latest changes whose notes stay, for instances that rarely look at the space. */
const KEPT_CHANGES = 1_024;

/** Removes old notes of changes. An instance that misses a note reads the whole state again. */
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
