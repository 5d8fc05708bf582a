// #region memory
import { randomUUID } from "node:crypto";
import { createStreamkitClient } from "@streamkit/client";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import { afterAll, expect, test } from "vitest";
import { ordersOf, place } from "./orders.ts";

// One server for the file, in this process, without a port and without files.
const streamkit = createStreamkit({ storage: memoryStorage() });
afterAll(() => streamkit.close());
const client = createStreamkitClient({ transport: streamkit.transport() });

/** A store of its own for each test: stores share nothing. */
const newOrders = () => ordersOf(client.store(randomUUID()));

test("an order is placed once", async () => {
  const orders = newOrders();
  const results = await Promise.all([place(orders, "order-17", 4_990), place(orders, "order-17", 4_990)]);
  expect(results.sort()).toEqual([false, true]);
  const entries = [];
  for await (const { segment, value } of orders.consume()) entries.push({ segment, value });
  expect(entries).toEqual([{ segment: "order-17", value: { type: "placed", cents: 4_990 } }]);
});

test("a follower sees what is committed while it waits", async () => {
  const orders = newOrders();
  await place(orders, "order-17", 4_990);
  const seen: string[] = [];
  // The second order arrives when the follower is at the head, so no test has to sleep.
  const onCaughtUp = () => void place(orders, "order-18", 250);
  for await (const { segment } of orders.follow({ limit: 2, onCaughtUp })) seen.push(segment);
  expect(seen).toEqual(["order-17", "order-18"]);
});
// #endregion memory
