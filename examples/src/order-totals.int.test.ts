import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { expect, onTestFinished, test } from "vitest";
import { startExample, testFolder } from "./process/example.ts";
import type { Program } from "./process/run-program.ts";
import { ServerProcess } from "./process/server-process.ts";

type OrderEvent = { type: "ordered" | "returned"; cents: number };
type Total = { cents: number; sequence: number };

const ORDERS = 25;

test("a projection counts every event once, even across kill -9, and a rebuild has the same result", {
  timeout: 120_000,
}, async () => {
  const server = await ServerProcess.start({ path: await testFolder() });
  onTestFinished(() => server.stop("SIGKILL"));
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: server.url }) });
  const store = client.store(crypto.randomUUID());
  const orders = store.space("orders").withCodec(json<OrderEvent>());
  const totals = store.space("order-totals").withCodec(json<Total>());
  const expected: Record<string, Total> = {};
  let events = 0;

  /** Publishes one event for each of the first orders, one transaction each, with distinct amounts. */
  async function trade(count = ORDERS): Promise<void> {
    for (let n = 0; n < count; n++) {
      const order = `order-${n}`;
      const { cents, sequence } = expected[order] ?? { cents: 0, sequence: 0 };
      const event: OrderEvent = { type: sequence % 3 === 2 ? "returned" : "ordered", cents: 2 ** (sequence % 20) + n };
      await orders.segment(order).publish(event);
      const change = event.type === "ordered" ? event.cents : -event.cents;
      expected[order] = { cents: cents + change, sequence: sequence + 1 };
      events++;
    }
  }
  async function model(): Promise<Record<string, Total>> {
    const found: Record<string, Total> = {};
    for await (const { segment } of totals.listSegments()) {
      found[segment] = (await totals.segment(segment).peek())?.value as Total;
    }
    return found;
  }
  const start = (...options: string[]) => startExample("order-totals", server.url, store.id, ...options);
  async function finish(projection: Program): Promise<void> {
    await projection.outputMatching(new RegExp(`^up to offset ${events}$`, "m"));
    projection.child.kill("SIGTERM");
    expect(await projection.exit, projection.output()).toBe(0);
    expect(await model()).toEqual(expected);
  }

  // Kills the projection after it has written a total and before it commits the cursor, so that its successor gets some
  // events for the second time.
  for (let repeated = 0; repeated === 0; ) {
    await trade();
    await trade();
    let victim: Program | undefined;
    for await (const { kind } of totals.subscribe()) {
      if (kind === "live") victim = await start();
      else if (kind === "status" && victim !== undefined) break;
    }
    victim?.child.kill("SIGKILL");
    await victim?.exit;
    const projected = Object.values(await model()).reduce((sum, { sequence }) => sum + sequence, 0);
    repeated = projected - ((await store.cursors.get("order-totals"))?.offsets.get("orders") ?? 0);
  }
  await finish(await start());

  // The projection resumes at its cursor, and touches only the three orders.
  const before = (await totals.status()).lastOffset;
  await trade(3);
  await finish(await start());
  const touched = new Set<string>();
  for await (const { segment } of totals.consume({ minOffset: before + 1 })) touched.add(segment);
  expect([...touched].sort()).toEqual(["order-0", "order-1", "order-2"]);

  const { lastOffset } = await totals.status();
  const rebuilding = await start("--rebuild");
  await finish(rebuilding);
  expect(rebuilding.output()).toMatch(/^forgotten\n(up to offset \d+\n)+$/);
  expect((await totals.status()).firstOffset, "nothing of it is left over").toBeGreaterThan(lastOffset);
});
