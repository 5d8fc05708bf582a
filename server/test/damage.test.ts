/** G11: every single stored row, lost or damaged, is noticed; nothing is skipped, invented or written over. */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { StreamService } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { createStreamkit } from "../src/index.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { PartitionStore, Row, Storage } from "../src/storage/port.ts";
import { withLimits } from "./instance.ts";
import { entriesOf } from "./space-checks.ts";

const storeId = "00000000-0000-4000-8000-000000000001";
const space = "space";
const PARTITION = `s:${space}`;
const SEGMENTS = ["a", "b", "c"];

async function withServer<T>(storage: Storage, use: (client: ReturnType<typeof clientOf>) => Promise<T>): Promise<T> {
  await using streamkit = createStreamkit({ storage, onEvent: () => undefined });
  return await use(clientOf(streamkit));
}

const clientOf = (streamkit: ReturnType<typeof createStreamkit>) => createClient(StreamService, streamkit.transport());
type StreamClient = ReturnType<typeof clientOf>;

/** A history with trims, a hole, merged rows and, below the threshold, references. */
async function fill(client: StreamClient): Promise<void> {
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

/** All that can be read, or the failure. */
async function readAll(client: StreamClient) {
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

async function rowsOf(storage: Storage): Promise<Row[]> {
  const store = (await storage.open(storeId, { create: false })) as PartitionStore;
  const rows: Row[] = [];
  for await (const page of store.scan(PARTITION, { gte: Uint8Array.of(0), lt: Uint8Array.of(255) })) rows.push(...page);
  await store.close();
  return rows;
}

/** The same rows in a storage of their own, one of them changed. */
async function copyWith(
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

describe.each([Number.POSITIVE_INFINITY, 400])("rows with references from %d bytes", (threshold) => {
  const filled = async () => {
    const storage = withLimits(memoryStorage(), { referenceThresholdBytes: threshold });
    await withServer(storage, fill);
    const rows = await rowsOf(storage);
    const intact = await withServer(await copyWith(rows, threshold, -1, (value) => value), readAll);
    return { rows, intact };
  };

  it.each([
    ["lost", () => undefined],
    ["cut", (value: Uint8Array) => value.subarray(0, value.length - 1)],
    ["with a flipped bit", (value: Uint8Array) => value.map((byte, i) => (i === value.length - 1 ? byte ^ 4 : byte))],
    ["empty", () => new Uint8Array(0)],
  ])("one of them %s: reads say DATA_LOSS or are complete", async (_, change) => {
    const { rows, intact } = await filled();
    expect(rows.length).toBeGreaterThan(12);
    let noticed = 0;
    for (const index of rows.keys()) {
      const kind = String.fromCharCode(rows[index].key[0]);
      const storage = await copyWith(rows, threshold, index, change);
      const outcome = await withServer(storage, (client) => readAll(client).catch((error) => ConnectError.from(error)));
      if (outcome instanceof ConnectError) {
        noticed++;
        expect(outcome.code, `${kind}: ${outcome}`).toBe(Code.DataLoss);
      } else {
        expect(outcome, `row of kind ${kind}`).toEqual(intact);
        // Remembered transactions, and notes of changes for other instances, are not needed to read.
        expect(["t", "g", "c"]).toContain(kind);
      }
    }
    expect(noticed).toBeGreaterThan(10);
  });

  it("one of them lost: no append writes over what is left", async () => {
    const { rows } = await filled();
    const blocks = (all: readonly Row[]) =>
      new Map(
        all
          .filter((row) => "bo".includes(String.fromCharCode(row.key[0])))
          .map((row) => [Buffer.from(row.key).toString("hex"), Buffer.from(row.value).toString("hex")]),
      );
    for (const index of rows.keys()) {
      const storage = await copyWith(rows, threshold, index, () => undefined);
      const before = blocks(await rowsOf(storage));
      await withServer(storage, (client) =>
        Promise.allSettled(
          SEGMENTS.map((segment) =>
            client.append({ storeId, space, appends: [{ segment, records: [{ payload: Buffer.from("new") }] }] }),
          ),
        ),
      );
      const after = blocks(await rowsOf(storage));
      for (const [key, value] of before) expect(after.get(key), `row ${index}, key ${key}`).toBe(value);
    }
  });
});
