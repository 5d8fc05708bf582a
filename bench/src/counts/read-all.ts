/** Records that the costs of W9 are counted for. */
export const COUNTED_RECORDS = 1_000;

/** Reads to the end; fails unless that were all records. */
export async function readAll(entries: AsyncIterable<unknown>): Promise<void> {
  let count = 0;
  for await (const _ of entries) count++;
  if (count !== COUNTED_RECORDS) throw new Error(`read ${count} entries, expected ${COUNTED_RECORDS}`);
}
