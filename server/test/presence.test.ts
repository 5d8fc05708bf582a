/** PresenceService: the live workers of a group, on one instance and on two that share a storage. */
import { randomUUID } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, type Worker, WorkerSchema } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { endInstances, type Instance, type InstanceOptions, makeInstance } from "./instance.ts";
import { pausableStorage } from "./pausable-storage.ts";
import { Roster } from "./roster.ts";

const group = "importers";
const second = { seconds: 1n, nanos: 0 };

let storeId: string;
let storage: Storage;
let instances: Instance[];

beforeEach(() => {
  storeId = randomUUID();
  instances = [];
});

afterEach(() => endInstances(instances));

function start(count: number, options: InstanceOptions = {}): Instance[] {
  storage = memoryStorage({ shared: count > 1 });
  instances = Array.from({ length: count }, () => makeInstance(storage, { pollMillis: 20, ...options }));
  return instances;
}

interface Watch {
  /** The ids of each inventory, joined by commas. */
  readonly inventories: string[];
  readonly heartbeats: () => number;
  readonly latest: () => string | undefined;
  readonly first: Promise<void>;
  readonly ended: Promise<ErrorReason | undefined>;
  stop(): void;
}

function watch({ presence }: Instance, id?: string, metadata: Record<string, string> = {}, interval = second): Watch {
  const inventories: string[] = [];
  const roster = new Roster();
  let heartbeats = 0;
  const first = Promise.withResolvers<void>();
  const stop = new AbortController();
  const ended = (async () => {
    try {
      const request = { storeId, group, interval, ...(id !== undefined && { worker: { id, metadata } }) };
      for await (const response of presence.subscribeToWorkers(request, { signal: stop.signal })) {
        if (response.event.case === "heartbeat") heartbeats++;
        if (!roster.apply(response)) continue;
        inventories.push(roster.ids);
        first.resolve();
      }
    } catch (error) {
      first.resolve();
      if (!(error instanceof ConnectError)) throw error;
      return error.findDetails(ErrorDetailSchema)[0]?.reason;
    }
    return undefined;
  })();
  return {
    inventories,
    heartbeats: () => heartbeats,
    latest: () => inventories.at(-1),
    first: first.promise,
    ended,
    stop: () => stop.abort(),
  };
}

describe.each([
  ["one instance", 1],
  ["two instances", 2],
])("workers on %s", (_, count) => {
  it("are visible to all watchers, with their metadata, until their streams end", async () => {
    const [a, b = a] = start(count);
    const observer = watch(b);
    await observer.first;
    expect(observer.inventories).toEqual([""]);
    const one = watch(a, "w1", { host: "h1" });
    await expect.poll(observer.latest).toBe("w1");
    const two = watch(b, "w2");
    await expect.poll(observer.latest).toBe("w1,w2");
    await expect.poll(one.latest).toBe("w1,w2");
    const { workers } = await a.presence.listWorkers({ storeId, group });
    expect(workers).toMatchObject([
      { id: "w1", metadata: { host: "h1" } },
      { id: "w2", metadata: {} },
    ]);
    expect(Number(workers[0].joinTime?.seconds) * 1_000).toBeGreaterThan(Date.now() - 60_000);
    one.stop();
    await expect.poll(observer.latest).toBe("w2");
    two.stop();
    await expect.poll(observer.latest).toBe("");
    expect((await a.presence.listWorkers({ storeId, group })).workers).toEqual([]);
    observer.stop();
    await Promise.all([one, two, observer].map(({ ended }) => ended));
  });

  it("with the same id replace each other, and the replaced one learns of it", async () => {
    const [a, b = a] = start(count);
    const first = watch(a, "w", { start: "1" });
    await first.first;
    const again = watch(b, "w", { start: "2" });
    expect(await first.ended).toBe(ErrorReason.NOT_FOUND);
    await again.first;
    const { workers } = await a.presence.listWorkers({ storeId, group });
    expect(workers).toMatchObject([{ id: "w", metadata: { start: "2" } }]);
    again.stop();
    await again.ended;
    expect((await b.presence.listWorkers({ storeId, group })).workers).toEqual([]);
  });

  it("that renew once must keep renewing, on any instance, and are removed after three missed intervals", async () => {
    const [a, b = a] = start(count);
    const worker = watch(a, "w");
    const silent = watch(a, "silent");
    await Promise.all([worker.first, silent.first]);
    const renew = () => b.presence.renewWorker({ storeId, group, workerId: "w" });
    const begin = performance.now();
    await b.presence.renewWorker({ storeId, group, workerId: "silent" });
    const ended = silent.ended.then((reason) => ({ reason, at: performance.now() }));
    const timer = setInterval(() => void renew(), 500);
    const { reason, at } = await ended;
    clearInterval(timer);
    expect(reason).toBe(ErrorReason.NOT_FOUND);
    expect(at - begin).toBeGreaterThan(3_000);
    await expect.poll(worker.latest).toBe("w");
    await renew();
    worker.stop();
    await worker.ended;
    const error = await renew().catch((reason) => ConnectError.from(reason));
    expect((error as ConnectError).findDetails(ErrorDetailSchema)).toMatchObject([{ reason: ErrorReason.NOT_FOUND }]);
  }, 15_000);

  it("that join and leave by the hundred appear in few inventories", async () => {
    const members = start(count);
    const begin = performance.now();
    // At most one inventory per 20 ms. Timers may fire a millisecond early.
    const mostInventories = () => (performance.now() - begin) / 19 + 2;
    const observer = watch(members[0]);
    await observer.first;
    const workers = Array.from({ length: 300 }, (_, index) => watch(members[index % count], `w${index}`));
    await expect.poll(() => observer.latest()?.split(",").length, { timeout: 20_000 }).toBe(300);
    expect(observer.inventories.length).toBeLessThan(mostInventories());
    await Promise.all(workers.map(({ first }) => first));
    expect(Math.max(...workers.map(({ inventories }) => inventories.length))).toBeLessThan(mostInventories());
    for (const { stop } of workers) stop();
    await expect.poll(observer.latest, { timeout: 20_000 }).toBe("");
    observer.stop();
    await Promise.all([observer, ...workers].map(({ ended }) => ended));
  }, 60_000);

  it("are listed by page, and an interval without news has a heartbeat", async () => {
    const [a, b = a] = start(count);
    const workers = ["c", "a", "b"].map((id) => watch(a, id));
    await Promise.all(workers.map(({ first }) => first));
    const page = await b.presence.listWorkers({ storeId, group, pageSize: 2 });
    expect(page.workers.map(({ id }) => id)).toEqual(["a", "b"]);
    const next = await b.presence.listWorkers({ storeId, group, pageSize: 2, pageToken: page.nextPageToken });
    expect(next).toMatchObject({ workers: [{ id: "c" }], nextPageToken: "" });
    const observer = watch(b);
    await expect.poll(observer.heartbeats).toBeGreaterThanOrEqual(2);
    expect(observer.inventories).toEqual(["a,b,c"]);
    for (const each of [observer, ...workers]) each.stop();
    await Promise.all([observer, ...workers].map(({ ended }) => ended));
  });
});

describe("an instance", () => {
  it("that stops removes its workers, and one that freezes loses them after three intervals", async () => {
    const shared = memoryStorage({ shared: true });
    let latestBeat = 0;
    const beating = changedStorage(shared, (store) => ({
      commit(...args) {
        latestBeat = performance.now();
        return store.commit(...args);
      },
    }));
    const frozen = pausableStorage(beating);
    const observing = makeInstance(shared, { pollMillis: 20 });
    const stopping = makeInstance(shared, { pollMillis: 20 });
    const freezing = makeInstance(frozen.storage, { pollMillis: 20 });
    instances = [observing];
    const observer = watch(observing);
    const [one, two] = [watch(stopping, "w1"), watch(freezing, "w2")];
    await Promise.all([observer.first, one.first, two.first]);
    await expect.poll(observer.latest).toBe("w1,w2");
    await stopping[Symbol.asyncDispose]();
    await expect.poll(observer.latest).toBe("w2");
    expect(await one.ended).toBe(ErrorReason.SHUTTING_DOWN);
    frozen.pause();
    await expect.poll(observer.latest, { timeout: 10_000 }).toBe("");
    expect(performance.now() - latestBeat).toBeGreaterThanOrEqual(3_000);
    two.stop();
    observer.stop();
    await observer.ended;
  }, 20_000);

  it("that was declared dead registers its workers again when it is back", async () => {
    const shared = memoryStorage({ shared: true });
    const pausing = pausableStorage(shared);
    const [observing, freezing] = [
      makeInstance(shared, { pollMillis: 20 }),
      makeInstance(pausing.storage, { pollMillis: 20 }),
    ];
    instances = [observing, freezing];
    const observer = watch(observing);
    const workers = [watch(freezing, "w1"), watch(freezing, "w2")];
    await Promise.all([observer, ...workers].map(({ first }) => first));
    await expect.poll(observer.latest).toBe("w1,w2");
    const resume = pausing.pause();
    await expect.poll(observer.latest, { timeout: 10_000 }).toBe("");
    const taken = watch(observing, "w2", { by: "another" });
    await expect.poll(observer.latest).toBe("w2");
    resume();
    await expect.poll(observer.latest, { timeout: 5_000 }).toBe("w1,w2");
    // Another worker took the id in the meantime. The earlier worker must learn of that, not the later one.
    const { workers: listed } = await observing.presence.listWorkers({ storeId, group });
    expect(listed.map(({ metadata }) => metadata)).toEqual([{}, { by: "another" }]);
    expect(await workers[1].ended).toBe(ErrorReason.NOT_FOUND);
    for (const each of [observer, workers[0], taken]) each.stop();
    await Promise.all([observer, workers[0], taken].map(({ ended }) => ended));
  }, 20_000);

  it("alone on its storage removes the workers of its earlier start", async () => {
    const alone = memoryStorage();
    const before = makeInstance(alone);
    const worker = watch(before, "w");
    await worker.first;
    // As after a kill, the instance writes nothing when it ends.
    await before.withStore(storeId, async (store) => {
      store.presence.close = async () => {};
    });
    await before[Symbol.asyncDispose]();
    const after = makeInstance(alone);
    instances = [after];
    expect((await after.presence.listWorkers({ storeId, group })).workers).toEqual([]);
  });
});

describe("a full group accepts no other workers, on any instance, except replacements", () => {
  const join = ({ withStore }: Instance, id: string, metadata: Record<string, string>, signal: AbortSignal) =>
    withStore(storeId, async ({ presence }) => {
      const registrant = { id, metadata, intervalMillis: 60_000 };
      const roster = new Roster();
      const watching = presence.watch(group, registrant, 60_000, signal);
      for (;;) {
        const { value } = await watching.next();
        if (value === undefined || roster.apply(value.message())) return roster.workers.size;
      }
    });

  /** All pages of the group. */
  async function listAll({ presence }: Instance) {
    const pages: Worker[][] = [];
    for (let pageToken = ""; pages.length === 0 || pageToken !== ""; ) {
      const page = await presence.listWorkers({ storeId, group, pageSize: 1_000, pageToken });
      pages.push(page.workers);
      pageToken = page.nextPageToken;
    }
    return pages;
  }

  it("when it has too many workers", { timeout: 60_000 }, async () => {
    const [a, b] = start(2);
    const leaving = new AbortController();
    await Promise.all(Array.from({ length: 4_096 }, (_, index) => join(a, `w${index}`, {}, leaving.signal)));
    for (const instance of [a, b, b]) {
      await expect(join(instance, "more", {}, leaving.signal)).rejects.toMatchObject({
        reason: ErrorReason.OVERLOADED,
        message: expect.stringContaining("has room for 4096 workers"),
      });
    }
    expect(await join(b, "w7", { again: "yes" }, leaving.signal)).toBe(4_096);
    leaving.abort();
  });

  it("when its workers are too large, even if many join at the same time on different instances", {
    timeout: 60_000,
  }, async () => {
    const members = start(2);
    const leaving = new AbortController();
    const metadata = { k: "x".repeat(4_095) };
    const joining = Array.from({ length: 2_100 }, (_, i) =>
      join(members[i % 2], `w${1_000 + i}`, metadata, leaving.signal),
    );
    const results = await Promise.allSettled(joining);
    const refused = results.filter((each) => each.status === "rejected").map(({ reason }) => reason);
    for (const error of refused) {
      expect(error).toMatchObject({
        reason: ErrorReason.OVERLOADED,
        message: expect.stringContaining("has room for 8388608 bytes of workers"),
      });
    }
    const pages = await listAll(members[1]);
    const sizes = pages.map((page) => page.reduce((sum, worker) => sum + toBinary(WorkerSchema, worker).length, 0));
    // Each page has as many workers as fit into 1 MiB.
    for (const size of sizes) expect(size).toBeLessThanOrEqual(1_048_576);
    for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThan(1_048_576 - 3 * 4_160);
    const workers = pages.flat();
    expect(workers.length).toBe(results.length - refused.length);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeLessThanOrEqual(8_388_608);
    expect(bytes).toBeGreaterThan(8_388_608 - 4_160);
    const [{ id }] = workers;
    expect(await join(members[1], id, metadata, leaving.signal)).toBe(workers.length);
    leaving.abort();
  });
});

it("observing creates nothing, and invalid requests are refused", async () => {
  const [a] = start(1);
  const observer = watch(a);
  await observer.first;
  expect((await a.presence.listWorkers({ storeId, group })).workers).toEqual([]);
  expect((await a.stores.listStores({})).stores).toEqual([]);
  observer.stop();
  const reasons = await Promise.all([
    watch(a, "").ended,
    watch(a, "w", { k: "v".repeat(4_096) }).ended,
    watch(a, undefined, {}, { seconds: 0n, nanos: 999_999_999 }).ended,
    watch(a, undefined, {}, { seconds: 3_601n, nanos: 0 }).ended,
  ]);
  expect(reasons).toEqual(Array(4).fill(ErrorReason.INVALID_FIELD));
  const at = watch(a, "w", { k: "v".repeat(4_095) });
  await at.first;
  expect(at.inventories).toEqual(["w"]);
  at.stop();
});

it("a group that is watched while its store is deleted ends with NOT_FOUND, here and elsewhere", async () => {
  const [a, b] = start(2);
  const watches = [watch(a, "w1"), watch(b)];
  await Promise.all(watches.map(({ first }) => first));
  await expect.poll(watches[1].latest).toBe("w1");
  await a.stores.deleteStore({ storeId });
  expect(await Promise.all(watches.map(({ ended }) => ended))).toEqual([ErrorReason.NOT_FOUND, ErrorReason.NOT_FOUND]);
});
