/** Faults 10 to 14: failures of the network and of a busy Azure. A proxy in front of a real Azurite plays them. */
import { randomUUID } from "node:crypto";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ServerError } from "../../errors.ts";
import { createStreamkit, type Streamkit } from "../../streamkit.ts";
import type { PartitionStore, Storage } from "../port.ts";
import { type AzureStorageOptions, azureStorage } from "./index.ts";
import { type Azurite, connectionStringTo, startAzurite } from "./test/azurite.ts";
import { type Fault, type FaultProxy, firstOf, type ProxiedRequest, startFaultProxy } from "./test/fault-proxy.ts";

const space = "orders";
const segment = "order-1";
const isTransaction = ({ isTransaction }: ProxiedRequest) => isTransaction;
const isRead = ({ method }: ProxiedRequest) => method === "GET";
const isQuery = ({ isQuery }: ProxiedRequest) => isQuery;
const payload = (text: string) => ({ payload: Buffer.from(text) });

let azurite: Azurite | undefined;
let proxy: FaultProxy;

beforeAll(async () => {
  azurite = await startAzurite();
  proxy = await startFaultProxy(azurite.port);
});

afterEach(() => proxy.script(() => undefined));

afterAll(async () => {
  await proxy?.close();
  await azurite?.stop();
});

function open(options: AzureStorageOptions = {}): Storage {
  return azureStorage(
    { connectionString: connectionStringTo(proxy.port) },
    { requestTimeoutMillis: 2_000, ...options },
  );
}

/** The storage without the proxy, to see the actual rows. */
const openDirectly = () => azureStorage({ connectionString: connectionStringTo(azurite!.port) });

describe("an append through the engine", () => {
  let streamkit: Streamkit;
  let storeId: string;

  beforeEach(async () => {
    storeId = randomUUID();
    streamkit = createStreamkit({ storage: open({ requestTimeoutMillis: 300 }), pollMillis: 20 });
    await append("first", 0n);
  });

  afterEach(() => streamkit.close());

  const client = () => createClient(StreamService, streamkit.transport());
  const append = (text: string, expectedLastSequence?: bigint) =>
    client().append({
      storeId,
      space,
      transactionId: randomUUID(),
      appends: [
        { segment, records: [payload(text)], ...(expectedLastSequence === undefined ? {} : { expectedLastSequence }) },
      ],
    });

  async function stored(): Promise<string[]> {
    await using other = createStreamkit({ storage: openDirectly() });
    const texts: string[] = [];
    for await (const { batches } of createClient(StreamService, other.transport()).consumeSpace({ storeId, space })) {
      for (const batch of batches) texts.push(...batch.records.map((record) => Buffer.from(record.payload).toString()));
    }
    return texts;
  }

  const faults: [string, Fault][] = [
    ["the connection breaks after the commit (10)", { kind: "reset-after" }],
    ["the connection breaks before the commit (11)", { kind: "reset-before" }],
    ["Azure is busy (12)", { kind: "refuse", status: 503, code: "ServerBusy" }],
    ["Azure throttles (12)", { kind: "refuse", status: 429, code: "TooManyRequests", retryAfter: "1" }],
    ["Azure fails (12)", { kind: "refuse", status: 500, code: "InternalError" }],
    ["Azure never answers (13)", { kind: "hang" }],
  ];

  for (const [name, fault] of faults) {
    it(`happens once when ${name}, without and with an expectation`, async () => {
      proxy.script(firstOf(isTransaction, fault));
      expect(await append("second")).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 2n }] });
      proxy.script(firstOf(isTransaction, fault));
      expect(await append("third", 2n)).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 3n }] });
      expect(await append("fourth")).toMatchObject({ ranges: [{ firstSequence: 4n, firstOffset: 4n }] });
      expect(await stored()).toEqual(["first", "second", "third", "fourth"]);
    });
  }

  it("is found when the first commit of a space lost its answer", async () => {
    proxy.script(
      firstOf(({ isTransaction, body }) => isTransaction && !body.includes("layout"), { kind: "reset-after" }),
    );
    storeId = randomUUID();
    expect(await append("first")).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 1n }] });
    expect(await stored()).toEqual(["first"]);
  });

  it("happens once when a commit lands late: after its retry (13)", async () => {
    const retried = Promise.withResolvers<void>();
    proxy.script(firstOf(isTransaction, { kind: "land-late", until: retried.promise }));
    expect(await append("second", 1n)).toMatchObject({ ranges: [{ firstSequence: 2n }] });
    retried.resolve();
    await proxy.landed();
    expect(await append("third", 2n)).toMatchObject({ ranges: [{ firstSequence: 3n }] });
    expect(await stored()).toEqual(["first", "second", "third"]);
  });

  it("happens once when a commit lands late: before its retry (13)", async () => {
    const looked = Promise.withResolvers<void>();
    let transactions = 0;
    proxy.script((request) => {
      if (!request.isTransaction) return undefined;
      transactions += 1;
      if (transactions === 1) return { kind: "land-late", until: looked.promise };
      // The engine has read the head and found nothing. Now the first commit lands, before the second one arrives.
      looked.resolve();
      return transactions === 2 ? { kind: "after", until: proxy.landed() } : undefined;
    });
    expect(await append("second", 1n)).toMatchObject({ deduplicated: false, ranges: [{ firstSequence: 2n }] });
    expect(transactions).toBeGreaterThanOrEqual(2);
    expect(await stored()).toEqual(["first", "second"]);
  });

  it("is refused with a retry delay while Azure stays busy, and writes nothing", async () => {
    proxy.script((request) =>
      request.isTransaction ? { kind: "refuse", status: 503, code: "ServerBusy", retryAfter: "7" } : undefined,
    );
    const error = ConnectError.from(await append("second").catch((reason) => reason));
    expect(error.code).toBe(Code.Unavailable);
    const [detail] = error.findDetails(ErrorDetailSchema);
    expect(detail).toMatchObject({ reason: ErrorReason.STORAGE_UNAVAILABLE, retryAfter: { seconds: 7n } });
    expect(await stored()).toEqual(["first"]);
  });
});

describe("requests", () => {
  let storage: Storage;
  let store: PartitionStore;
  const key = Buffer.from("key");
  const range = { gte: Buffer.from("a"), lt: Buffer.from("z") };

  beforeEach(async () => {
    storage = open({ readAttempts: 3, readRetryMillis: 1_500 });
    store = (await storage.open(randomUUID(), { create: true }))!;
    const puts = ["a", "b", "c"].map((name) => ({ key: Buffer.from(name), value: [Buffer.from(name)] }));
    await store.commit("p", { conditions: [], puts, deletes: [] });
    proxy.takeRequests();
  });

  afterEach(() => store.close());

  async function scanned(): Promise<string[]> {
    const keys: string[] = [];
    for await (const page of store.scan("p", range)) keys.push(...page.map((row) => Buffer.from(row.key).toString()));
    return keys;
  }

  it("number one per commit, one per page and one per row lookup", async () => {
    const row = await store.get("p", Buffer.from("a"));
    expect(proxy.takeRequests().length).toBe(1);
    const puts = Array.from({ length: 80 }, (_, index) => ({
      key: Buffer.from(`k${index}`),
      value: [Buffer.alloc(9)],
    }));
    const conditions = [{ key: Buffer.from("a"), version: row!.version }];
    await store.commit("p", { conditions, puts: [...puts, { key: Buffer.from("a"), value: [] }], deletes: [] });
    expect(proxy.takeRequests().map(({ method }) => method)).toEqual(["POST"]);
    await scanned();
    proxy.takeRequests();
    // The rows turned out to be small, so one page holds all 83 of them from now on.
    expect((await scanned()).length).toBe(83);
    expect(proxy.takeRequests().length).toBe(1);
  });

  it("of commits are sent once, even if they fail", async () => {
    const faults: Fault[] = [
      { kind: "refuse", status: 503, code: "ServerBusy" },
      { kind: "reset-before" },
      { kind: "reset-after" },
    ];
    for (const fault of faults) {
      proxy.script(firstOf(isTransaction, fault));
      const commit = store.commit("p", { conditions: [], puts: [{ key, value: [] }], deletes: [] });
      await expect(commit).rejects.toMatchObject({ reason: ErrorReason.STORAGE_UNAVAILABLE });
      expect(proxy.takeRequests().length).toBe(1);
    }
  });

  it("of reads are repeated after a transient failure", async () => {
    const faults: Fault[] = [
      { kind: "refuse", status: 500, code: "InternalError" },
      { kind: "refuse", status: 503, code: "ServerBusy", retryAfter: "1" },
      { kind: "reset-before" },
      { kind: "reset-after" },
    ];
    for (const fault of faults) {
      proxy.script(firstOf(isRead, fault));
      expect((await store.get("p", Buffer.from("a")))?.value).toEqual(Buffer.from("a"));
      proxy.script(firstOf(isRead, fault));
      expect(await scanned()).toEqual(["a", "b", "c"]);
      proxy.script(firstOf(isRead, fault));
      expect(await store.partitions({ prefix: "", limit: 10 })).toEqual(["p"]);
    }
  });

  it("of reads fail after some attempts, with the cause and a retry delay", async () => {
    proxy.script(() => ({ kind: "refuse", status: 503, code: "ServerBusy", retryAfter: "9" }));
    await expect(store.get("p", key)).rejects.toMatchObject({
      reason: ErrorReason.STORAGE_UNAVAILABLE,
      message: "Azure Table Storage failed (503 ServerBusy)",
      facts: { retryAfterMillis: 9_000 },
    });
    expect(proxy.takeRequests().length).toBe(1);
    proxy.script(() => ({ kind: "refuse", status: 500, code: "InternalError" }));
    await expect(scanned()).rejects.toMatchObject({ reason: ErrorReason.STORAGE_UNAVAILABLE });
    expect(proxy.takeRequests().length).toBe(3);
  });

  it("continue through empty pages (14)", async () => {
    proxy.script(firstOf(isQuery, { kind: "empty-page" }));
    expect(await scanned()).toEqual(["a", "b", "c"]);
    proxy.script(firstOf(isQuery, { kind: "empty-page" }));
    expect(await store.partitions({ prefix: "", limit: 10 })).toEqual(["p"]);
    expect(proxy.takeRequests().length).toBe(4);
  });

  it("of a deletion may be repeated: a missing table counts as success", async () => {
    const storeId = randomUUID();
    const dropped = (await storage.open(storeId, { create: true }))!;
    proxy.script(firstOf(({ method }) => method === "DELETE", { kind: "reset-after" }));
    await dropped.drop();
    expect(await storage.open(storeId, { create: false })).toBeUndefined();
  });

  it("fail with a retry delay while Azure still removes the table of a deleted store", async () => {
    const fault: Fault = { kind: "refuse", status: 409, code: "TableBeingDeleted" };
    proxy.script(({ method, url }) => (method === "POST" && url.endsWith("/Tables") ? fault : undefined));
    await expect(storage.open(randomUUID(), { create: true })).rejects.toMatchObject({
      reason: ErrorReason.STORAGE_UNAVAILABLE,
      message: "Azure still removes the table of the deleted store; try again later",
      facts: { retryAfterMillis: 40_000 },
    });
    proxy.script(() => fault);
    expect(await storage.open(randomUUID(), { create: false })).toBeUndefined();
  });

  it("finish a store whose creation was interrupted, and refuse one of a newer layout", async () => {
    const storeId = randomUUID();
    proxy.script((request) => (request.isTransaction ? { kind: "reset-before" } : undefined));
    await expect(storage.open(storeId, { create: true })).rejects.toBeInstanceOf(ServerError);
    proxy.script(() => undefined);
    const finished = await storage.open(storeId, { create: false });
    await finished!.close();
    // A later version may have written this layout. This version must not touch the store.
    proxy.script(({ body }) => (body.includes('"layout"') ? { kind: "newer-layout" } : undefined));
    const newer = randomUUID();
    await (await storage.open(newer, { create: true }))!.close();
    await expect(storage.open(newer, { create: true })).rejects.toMatchObject({
      reason: ErrorReason.STORAGE_UNAVAILABLE,
      message: "the store has layout 2, this version of Streamkit reads 1: use a matching version",
    });
  });
});
