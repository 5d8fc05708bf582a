/** Reads to the end. Fails unless it has read `records` entries. */
export async function readAll(entries: AsyncIterable<unknown>, records: number): Promise<void> {
  let count = 0;
  for await (const _ of entries) count++;
  if (count !== records) throw new Error(`read ${count} entries, expected ${records}`);
}
