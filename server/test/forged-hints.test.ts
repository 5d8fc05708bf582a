/** Anybody may send hints on the bus. A flood of hints costs a few reads of the storage, with any content (M7). */
import { create, toBinary } from "@bufbuild/protobuf";
import { NotificationSchema } from "@streamkit/protocol/notification";
import { expect, it } from "vitest";
import { memoryBus } from "../src/index.ts";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { makeInstance } from "./instance.ts";

const storeId = "00000000-0000-4000-8000-000000000001";
const space = "space";
const OTHERS = Array.from({ length: 100 }, (_, i) => `other ${i}`);

it.each([
  ["store_deleted", { storeDeleted: true }],
  ["of a space", { spaces: [{ space, revision: 2n ** 60n }] }],
  ["of workers", { workerGroups: ["group"] }],
  ["of other spaces and groups", { spaces: OTHERS.map((space) => ({ space, revision: 1n })), workerGroups: OTHERS }],
  ["of everything", { spaces: [{ space, revision: 2n ** 64n - 1n }], workerGroups: ["group"], storeDeleted: true }],
  ["that repeat a true one", { spaces: [{ space, revision: 1n }] }],
])("2,000 forged hints, %s", async (_, fields) => {
  let reads = 0;
  const storage = changedStorage(memoryStorage({ shared: true }), (store) => ({
    get: (...args) => {
      reads++;
      return store.get(...args);
    },
    getMany: (...args) => {
      reads++;
      return store.getMany(...args);
    },
    scan: (...args) => {
      reads++;
      return store.scan(...args);
    },
  }));
  const bus = memoryBus();
  await using instance = makeInstance(storage, { bus, pollMillis: 60_000 });
  await instance.stream.append({ storeId, space, appends: [{ segment: "s", records: [{}] }] });
  const end = new AbortController();
  const follower = instance.stream.consumeSpace({ storeId, space, follow: true }, { signal: end.signal });
  const messages = follower[Symbol.asyncIterator]();
  await messages.next();
  const watcher = instance.presence.subscribeToWorkers({ storeId, group: "group" }, { signal: end.signal });
  const inventories = watcher[Symbol.asyncIterator]();
  await inventories.next();
  const before = reads;
  for (let i = 0; i < 2_000; i++) {
    const message = create(NotificationSchema, { ...fields, storeId, instanceId: `forged ${i}` });
    bus.publish(storeId, toBinary(NotificationSchema, message));
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // The work of the hints has ended: a later append is answered, and its follower gets it.
  await instance.stream.append({ storeId, space, appends: [{ segment: "s", records: [{}] }] });
  expect((await messages.next()).done).toBe(false);
  expect(reads - before).toBeLessThan(50);
  end.abort();
  await Promise.allSettled([messages.next(), inventories.next()]);
});
