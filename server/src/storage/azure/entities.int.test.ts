/**
 * Entities that hold no row: rests of long values, and traces of conditions. Readers never see them, and they
 * disappear.
 */
import { randomUUID } from "node:crypto";
import { TableClient } from "@azure/data-tables";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CommitBatch, PartitionStore, Row, RowVersion, Storage } from "../port.ts";
import { azureStorage } from "./index.ts";
import { MAX_ENTITY_VALUE_BYTES } from "./limits.ts";
import { partitionKeyOf } from "./partition-key.ts";
import { tableNameOf } from "./table-name.ts";
import { type Azurite, connectionStringTo, startAzurite } from "./test/azurite.ts";
import { type FaultProxy, startFaultProxy } from "./test/fault-proxy.ts";

const key = Buffer.from("key");
const other = Buffer.from("other");
const long = (fill: number) => Buffer.alloc(MAX_ENTITY_VALUE_BYTES + 100_000, fill);
const range = { gte: Buffer.from("a"), lt: Buffer.from("z") };

let azurite: Azurite | undefined;
let proxy: FaultProxy;
let storage: Storage;
let storeId: string;
let store: PartitionStore;

beforeAll(async () => {
  azurite = await startAzurite();
  proxy = await startFaultProxy(azurite.port);
  storage = azureStorage({ connectionString: connectionStringTo(proxy.port) });
});

beforeEach(async () => {
  storeId = randomUUID();
  store = await open();
});

afterEach(() => store.close());

afterAll(async () => {
  await proxy?.close();
  await azurite?.stop();
});

const open = async () => (await storage.open(storeId, { create: true }))!;

async function put(to: PartitionStore, value: Uint8Array, version?: RowVersion | null): Promise<RowVersion> {
  const conditions = version === undefined ? [] : [{ key, version }];
  return commit(to, { conditions, puts: [{ key, value: [value] }], deletes: [] });
}

async function commit(to: PartitionStore, batch: CommitBatch): Promise<RowVersion> {
  const result = await to.commit("p", batch);
  if (!result.committed) throw new Error("the commit conflicts");
  return result.versions[0];
}

async function scan(from: PartitionStore, limit?: number): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const page of from.scan("p", { ...range, ...(limit === undefined ? {} : { limit }) })) rows.push(...page);
  return rows;
}

/** Number of entities in the partition, as Azure reports them. */
async function entities(): Promise<number> {
  const table = TableClient.fromConnectionString(connectionStringTo(azurite!.port), tableNameOf("streamkit", storeId), {
    allowInsecureConnection: true,
  });
  let count = 0;
  const filter = `PartitionKey eq '${partitionKeyOf("p")}'`;
  for await (const _ of table.listEntities({ queryOptions: { filter, select: ["RowKey"] } })) count += 1;
  return count;
}

describe("the rest of a long value", () => {
  it("is deleted in the commit that replaces or deletes the row, if this process knows of it", async () => {
    const batches: CommitBatch[] = [
      { conditions: [], puts: [{ key, value: [Buffer.from("short")] }], deletes: [] },
      { conditions: [], puts: [{ key, value: [long(2)] }], deletes: [] },
      { conditions: [], puts: [], deletes: [key] },
    ];
    for (const [index, batch] of batches.entries()) {
      await put(store, long(1));
      expect(await entities()).toBe(2);
      proxy.takeRequests();
      await commit(store, batch);
      expect(proxy.takeRequests().length).toBe(1);
      expect(await entities()).toBe([1, 2, 0][index]);
    }
  });

  it("stays invisible after its row is gone, and a scan removes it", async () => {
    await put(store, long(1));
    const unknowing = await open();
    await put(unknowing, Buffer.from("short"));
    expect(await entities()).toBe(2);
    expect((await scan(unknowing)).map((row) => String(row.value))).toEqual(["short"]);
    await unknowing.close();
    expect(await entities()).toBe(1);

    await put(store, long(2));
    const deleting = await open();
    await commit(deleting, { conditions: [], puts: [], deletes: [key] });
    expect(await entities()).toBe(1);
    expect(await scan(deleting, 1)).toEqual([]);
    expect(await deleting.partitions({ prefix: "", limit: 10 })).toEqual([]);
    await deleting.close();
    expect(await entities()).toBe(0);
  });

  it("is not confused with the remaining rest of an earlier write", async () => {
    for (let fill = 1; fill <= 10; fill++) {
      const unknowing = await open();
      await put(unknowing, long(fill));
      await unknowing.close();
    }
    expect(await entities()).toBe(11);
    for (const row of [...(await scan(store)), (await store.get("p", key))!]) {
      expect(Buffer.compare(row.value, long(10))).toBe(0);
    }
    await store.close();
    expect(await entities()).toBe(2);
  });

  it("does not fail a commit when another process has removed it", async () => {
    await put(store, long(1));
    const faster = await open();
    await scan(faster);
    await commit(faster, { conditions: [], puts: [], deletes: [key] });
    await commit(store, { conditions: [], puts: [{ key, value: [Buffer.from("short")] }], deletes: [] });
    expect((await scan(store)).map((row) => String(row.value))).toEqual(["short"]);
    await faster.close();
  });

  it("is read with its own row, also during concurrent writes", async () => {
    const writer = await open();
    await put(writer, long(0));
    let writing = true;
    const written = (async () => {
      for (let fill = 1; fill <= 20; fill++) await put(writer, fill % 3 === 0 ? Buffer.alloc(10, fill) : long(fill));
      writing = false;
    })();
    while (writing) {
      const rows = [await store.get("p", key), ...(await scan(store)), ...(await scan(store, 1))];
      for (const row of rows) {
        const [fill] = row!.value;
        const expected = fill! % 3 === 0 && fill !== 0 ? Buffer.alloc(10, fill) : long(fill!);
        expect(Buffer.compare(row!.value, expected)).toBe(0);
      }
    }
    await written;
    await writer.close();
  });
});

describe("a condition on a row that is not written", () => {
  it("leaves nothing behind for an absent row", async () => {
    await commit(store, { conditions: [{ key, version: null }], puts: [{ key: other, value: [] }], deletes: [] });
    await store.close();
    expect(await entities()).toBe(1);
  });

  it("does not block a concurrent write of the absent row", async () => {
    await commit(store, { conditions: [{ key, version: null }], puts: [{ key: other, value: [] }], deletes: [] });
    const competitor = await open();
    await put(competitor, Buffer.from("1"), null);
    await competitor.close();
    await store.close();
    expect(await entities()).toBe(2);
  });

  it("keeps the version of the row, for every handle", async () => {
    const version = await put(store, Buffer.from("1"));
    const competitor = await open();
    for (let round = 0; round < 3; round++) {
      await commit(store, { conditions: [{ key, version }], puts: [{ key: other, value: [] }], deletes: [] });
      expect((await competitor.get("p", key))!.version).toBe(version);
    }
    const next = await put(competitor, Buffer.from("2"), version);
    expect(next).not.toBe(version);
    expect(await store.commit("p", { conditions: [{ key, version }], puts: [], deletes: [] })).toEqual({
      committed: false,
    });
    await competitor.close();
  });
});

it("a conflict costs one more read, which tells it from a row that a condition only touched", async () => {
  const version = await put(store, Buffer.from("1"));
  await put(store, Buffer.from("2"));
  proxy.takeRequests();
  const batch = { conditions: [{ key, version }], puts: [{ key, value: [] }], deletes: [] };
  expect(await store.commit("p", batch)).toEqual({ committed: false });
  expect(proxy.takeRequests().map(({ method }) => method)).toEqual(["POST", "GET"]);
});
