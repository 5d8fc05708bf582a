/** Tests a store that closes while a worker is about to register. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { changedStorage } from "../../../storage/changed-storage.ts";
import { memoryStorage } from "../../../storage/memory/index.ts";
import { Presence } from "./presence.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

it("registers no worker whose call was still reading when the store closed", async () => {
  const reading = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  const storage = changedStorage(memoryStorage({ shared: true }), (inner) => ({
    async *scan(...args) {
      reading.resolve();
      await resumed.promise;
      yield* inner.scan(...args);
    },
  }));
  const store = (await storage.open(randomUUID(), { create: true }))!;
  const presence = new Presence({
    store,
    shared: true,
    clock: () => Date.now() * 1_000,
    pollMillis: 1_000,
    onChange: () => {},
    onListen: () => {},
    onDeleted: () => {},
    onBackgroundError: () => {},
  });
  const shutdown = new AbortController();
  const registrant = { id: "w", metadata: {}, intervalMillis: 1_000 };
  const first = presence.watch("pickers", registrant, 1_000, shutdown.signal).next();
  await reading.promise;
  shutdown.abort(new Error("shutting down"));
  const closed = presence.close();
  resumed.resolve();
  await expect(first).rejects.toThrow("shutting down");
  await closed;
  expect(await store.partitions({ prefix: "", limit: 10 })).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
