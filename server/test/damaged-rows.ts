/** A store with all kinds of rows, its rows, and its readable content, for tests that damage rows. */
import { createClient } from "@connectrpc/connect";
import { StreamService } from "@streamkit/protocol";
import { createStreamkit } from "../src/index.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { PartitionStore, Row, Storage } from "../src/storage/port.ts";
import { withLimits } from "./instance.ts";
import { entriesOf } from "./space-checks.ts";

export const storeId = "00000000-0000-4000-8000-000000000001";
export const space = "space";
const PARTITION = `s:${space}`;
export const SEGMENTS = ["a", "b", "c"];

export async function withServer<T>(
  storage: Storage,
  use: (client: ReturnType<typeof clientOf>) => Promise<T>,
): Promise<T> {
  await using streamkit = createStreamkit({ storage, onEvent: () => undefined });
  return await use(clientOf(streamkit));
}

const clientOf = (streamkit: ReturnType<typeof createStreamkit>) => createClient(StreamService, streamkit.transport());
type StreamClient = ReturnType<typeof clientOf>;

/** A history with trims, a hole, merged rows and, below the threshold, references. */
export async function fill(client: StreamClient): Promise<void> {
  const at = { storeId, space };
  const records = (count: number, size: number) =>
    Array.from({ length: count }, (_, i) => ({ payload: Buffer.from(`${i}`.padEnd(size)) }));
  for (let i = 0; i < 4; i++) {
    await client.append({
      ...at,
      appends: SEGMENTS.map((segment, s) => ({ segment, records: records(1 + ((i + s) % 3), 150 * (s + 1)) })),
    });
  }
  await Promise.all(
    SEGMENTS.map((segment) =>
      client.append({ ...at, transactionId: crypto.randomUUID(), appends: [{ segment, records: records(2, 20) }] }),
    ),
  );
  await client.trimSegment({ ...at, segment: "b", beforeSequence: 4n });
}

/** Everything that clients can read, or the failure. */
export async function readAll(client: StreamClient) {
  const views: Record<string, unknown> = {};
  const collect = async (responses: AsyncIterable<{ batches: Parameters<typeof entriesOf>[1] }>) => {
    const found = [];
    for await (const { batches } of responses) found.push(...entriesOf(space, batches));
    return found;
  };
  views.space = await collect(client.consumeSpace({ storeId, space }));
  for (const segment of SEGMENTS) views[segment] = await collect(client.consumeSegment({ storeId, space, segment }));
  return views;
}

export async function rowsOf(storage: Storage): Promise<Row[]> {
  const store = (await storage.open(storeId, { create: false })) as PartitionStore;
  const rows: Row[] = [];
  for await (const page of store.scan(PARTITION, { gte: Uint8Array.of(0), lt: Uint8Array.of(255) })) rows.push(...page);
  await store.close();
  return rows;
}

/** A new storage with the same rows, except for one. */
export async function copyWith(
  rows: readonly Row[],
  threshold: number,
  index: number,
  change: (value: Uint8Array) => Uint8Array | undefined,
) {
  const storage = withLimits(memoryStorage(), { referenceThresholdBytes: threshold });
  const store = (await storage.open(storeId, { create: true })) as PartitionStore;
  const values = rows.map((row, i) => ({ key: row.key, value: i === index ? change(row.value) : row.value }));
  const puts = values.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value: [value] }]));
  await store.commit(PARTITION, { conditions: [], puts, deletes: [] });
  await store.close();
  return storage;
}
