import { MemoryLevel } from "memory-level";
import { expect, it } from "vitest";
import { MemoryBudget } from "../../memory-budget.ts";
import { identityOf, RowVersions } from "./row-versions.ts";

it("the versions of all databases share a budget, and are read again when they are gone", async () => {
  const budget = new MemoryBudget(1_000);
  const database = new MemoryLevel<Uint8Array, Uint8Array>({
    storeEncoding: "view",
    keyEncoding: "view",
    valueEncoding: "view",
  });
  await database.open();
  const [cold, warm] = [new RowVersions(database, budget), new RowVersions(database, budget)];
  const key = Buffer.from("key");
  const identity = identityOf(key);
  cold.store(new Map([[identity, 7]]));
  expect(await cold.load(new Map([[identity, key]]))).toEqual(new Map([[identity, 7]]));
  warm.store(new Map(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])));
  expect([cold.bytes, budget.bytes]).toEqual([0, warm.bytes]);
  expect(budget.bytes).toBeLessThanOrEqual(1_000);
  // The row is not in the database.
  expect(await cold.load(new Map([[identity, key]]))).toEqual(new Map([[identity, 0]]));
  warm.clear();
  expect(budget.bytes).toBe(0);
});
