import { createStreamkit, memoryStorage } from "@streamkit/server";
import { expect, onTestFinished, test } from "vitest";
import { connect, showTotals } from "./page-totals.ts";

test("page-totals: renders once when the history is read, then with each change", async () => {
  const streamkit = createStreamkit({ storage: memoryStorage() });
  onTestFinished(() => streamkit.close());
  const { url } = await streamkit.listen({ port: 0 });
  const offline: string[] = [];
  const orders = connect(url, crypto.randomUUID(), (reason) => offline.push(reason));
  for (const cents of [1, 2, 3]) await orders.segment("order-1").publish({ cents });
  const rendered: Record<string, number>[] = [];
  const stop = new AbortController();
  const shown = showTotals(orders, (totals) => rendered.push(Object.fromEntries(totals)), stop.signal);
  await expect.poll(() => rendered).toEqual([{ "order-1": 6 }]);
  await orders.segment("order-2").publish({ cents: 40 });
  await expect.poll(() => rendered.at(-1)).toEqual({ "order-1": 6, "order-2": 40 });
  expect(rendered.length).toBeLessThanOrEqual(3);
  stop.abort();
  await expect(shown).rejects.toMatchObject({ reason: "CANCELED" });
  expect(offline).toEqual([]);
});
