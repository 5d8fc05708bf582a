/**
 * A thousand workers of one group that join and leave together. The cost grows with their number, not with its square
 * (H4).
 */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { endInstances, type Instance, makeInstance } from "./instance.ts";
import { Roster } from "./roster.ts";

const group = "pickers";
const crowd = 1_000;

let storeId: string;
let instances: Instance[];
let commits: number;

beforeEach(() => {
  storeId = randomUUID();
  commits = 0;
  const storage = changedStorage(memoryStorage({ shared: true }), (store) => ({
    commit(...args) {
      commits++;
      return store.commit(...args);
    },
  }));
  instances = [1, 2].map(() => makeInstance(storage, { pollMillis: 20 }));
});

afterEach(() => endInstances(instances));

/** Watches the group, with a worker if there is an id, until told to leave. Counts the received messages. */
function watch({ withStore }: Instance, id?: string) {
  const leaving = new AbortController();
  const roster = new Roster();
  const seen = { inventories: 0, bytes: 0, workers: -1 };
  const ended = withStore(storeId, async ({ presence }) => {
    const registrant = id === undefined ? undefined : { id, metadata: { host: "host" }, intervalMillis: 60_000 };
    for await (const shared of presence.watch(group, registrant, 60_000, leaving.signal)) {
      for (const { length } of shared.encoded()) seen.bytes += length;
      if (!roster.apply(shared.message())) continue;
      seen.inventories++;
      seen.workers = roster.workers.size;
    }
  }).catch((error) => {
    if (error !== leaving.signal.reason) throw error;
  });
  return { seen, ended, leave: () => leaving.abort(new Error("enough")) };
}

it("join and leave in a few commits, and learn of each other in a few inventories", async () => {
  const [a, b] = instances;
  const observer = watch(b);
  const workers = Array.from({ length: crowd }, (_, index) => watch(a, `worker-${index}`));
  await expect.poll(() => observer.seen.workers, { timeout: 20_000 }).toBe(crowd);
  await expect.poll(() => workers.every(({ seen }) => seen.workers === crowd), { timeout: 20_000 }).toBe(true);
  const joining = { commits, most: Math.max(...workers.map(({ seen }) => seen.inventories)) };
  expect(joining.commits).toBeLessThan(crowd / 10);
  expect(joining.most).toBeLessThanOrEqual(5);

  // They leave one after the other. Every remaining worker must learn of each departure, and learns of many at once.
  const before = workers.reduce((sum, { seen }) => sum + seen.bytes, 0);
  const begin = performance.now();
  for (const worker of workers.slice(0, crowd / 2)) {
    worker.leave();
    await worker.ended;
  }
  const seconds = (performance.now() - begin) / 1_000;
  const rest = workers.slice(crowd / 2);
  await expect.poll(() => rest.every(({ seen }) => seen.workers === crowd / 2), { timeout: 20_000 }).toBe(true);
  const sent = workers.reduce((sum, { seen }) => sum + seen.bytes, 0) - before;
  // At most 16 MiB per second, however many departures there are, and a last inventory for each.
  const lastBytes = (rest[0].seen.bytes / rest[0].seen.inventories) * (crowd / 2);
  expect(sent).toBeLessThan(16 * 1024 * 1024 * seconds + lastBytes);

  for (const worker of rest) worker.leave();
  await Promise.all(rest.map(({ ended }) => ended));
  await expect.poll(() => observer.seen.workers, { timeout: 20_000 }).toBe(0);
  observer.leave();
  await observer.ended;
}, 60_000);
