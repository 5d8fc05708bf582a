import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { StoreClosedError } from "../errors.ts";
import { memoryStorage } from "../storage/memory/index.ts";
import { LazyStore } from "./lazy-store.ts";

it("a commit does not create a store that was closed before it existed", async () => {
  const storage = memoryStorage();
  const store = new LazyStore(storage, randomUUID());
  await store.close();
  await expect(store.commit("p", { conditions: [], puts: [], deletes: [] })).rejects.toThrow(StoreClosedError);
  expect(await storage.list({ limit: 10 })).toMatchObject([]);
});
