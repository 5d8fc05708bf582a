/** Short forms for writing and reading rows in tests. */
import assert from "node:assert/strict";
import type { CommitBatch, PartitionStore, Row, RowVersion, ScanOptions } from "../port.ts";

const firstKey = Uint8Array.of(0x00);
const LAST_KEY = new Uint8Array(513).fill(0xff);

/** A key or value: text as UTF-8, or bytes. */
export function bytes(content: string | readonly number[]): Uint8Array {
  return typeof content === "string" ? Buffer.from(content) : Uint8Array.from(content);
}

export function text(content: Uint8Array): string {
  return Buffer.from(content).toString("utf8");
}

export function hex(content: Uint8Array): string {
  return Buffer.from(content).toString("hex");
}

/** A batch from keys and values as text. */
export function batch(changes: {
  when?: Record<string, RowVersion | null>;
  put?: Record<string, string>;
  remove?: readonly string[];
}): CommitBatch {
  return {
    conditions: Object.entries(changes.when ?? {}).map(([key, version]) => ({ key: bytes(key), version })),
    puts: Object.entries(changes.put ?? {}).map(([key, value]) => ({ key: bytes(key), value: [bytes(value)] })),
    deletes: (changes.remove ?? []).map((key) => bytes(key)),
  };
}

/** Makes a commit that must succeed, and returns the versions. */
export async function commit(
  store: PartitionStore,
  partition: string,
  changes: CommitBatch,
): Promise<readonly RowVersion[]> {
  const result = await store.commit(partition, changes);
  assert.ok(result.committed, "the commit conflicts");
  assert.equal(result.versions.length, changes.puts.length, "one version per put");
  return result.versions;
}

/** Makes a commit that must conflict. */
export async function conflict(store: PartitionStore, partition: string, changes: CommitBatch): Promise<void> {
  assert.deepEqual(await store.commit(partition, changes), { committed: false });
}

/** Reads a row that must exist. */
export async function read(store: PartitionStore, partition: string, key: string): Promise<Row> {
  const row = await store.get(partition, bytes(key));
  assert.ok(row, `no row ${key}`);
  return row;
}

/** Reads a range to its end; by default the whole partition. */
export async function scanAll(
  store: PartitionStore,
  partition: string,
  options: Partial<ScanOptions> = {},
): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const page of store.scan(partition, { gte: firstKey, lt: LAST_KEY, ...options })) {
    assert.ok(page.length > 0, "a page has at least one row");
    rows.push(...page);
  }
  return rows;
}

/** All rows of a partition as text. */
export async function contents(store: PartitionStore, partition: string): Promise<Record<string, string>> {
  const rows = await scanAll(store, partition);
  return Object.fromEntries(rows.map((row) => [text(row.key), text(row.value)]));
}
