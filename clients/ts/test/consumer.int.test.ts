/** The consumer: at least once, in order within a segment, from a durable cursor. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { consume, fill, openStore, type Store, silencing } from "./consumer-store.ts";
import { type RunningServer, startServer } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

function open(id?: string, at = server): Store {
  return openStore(at, id);
}

function checkOrder(seen: readonly { segment: string; n: number }[]): void {
  const last = new Map<string, number>();
  for (const { segment, n } of seen) {
    expect(n).toBeGreaterThan(last.get(segment) ?? -1);
    last.set(segment, n);
  }
}

describe("a consumer", () => {
  it("handles everything once when nothing goes wrong, in order within each segment, and goes on from its cursor", async () => {
    const store = open();
    await fill(store, 500);
    const first = await consume(store, { until: 500 });
    expect(first.length).toBe(500);
    checkOrder(first);
    expect((await store.cursors.get("billing"))?.offsets.get("orders")).toBe(500);
    await fill(store, 100);
    const second = await consume(store, { until: 100 });
    expect(second.length).toBe(100);
    const lag = await store.consumer({ name: "billing", spaces: ["orders", "other"], handler: () => {} }).lag();
    expect(Object.fromEntries(lag)).toEqual({ orders: 0, other: 0 });
    // A consumer with another name has a cursor of its own.
    expect((await consume(store, { name: "reporting", until: 600 })).length).toBe(600);
  });

  it("handles segments side by side, up to its bound, and never two entries of one at a time", async () => {
    const store = open();
    await fill(store, 200, 10);
    const active = new Set<string>();
    let most = 0;
    let handled = 0;
    const done = Promise.withResolvers<void>();
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      concurrency: 4,
      async handler({ segment }) {
        expect(active.has(segment)).toBe(false);
        active.add(segment);
        most = Math.max(most, active.size);
        await delay(1);
        active.delete(segment);
        if (++handled === 200) done.resolve();
      },
    });
    const running = consumer.run();
    await done.promise;
    await consumer.stop();
    await running;
    expect(most).toBe(4);
    expect(consumer.state).toEqual({ name: "ended", reason: undefined });
    expect(consumer.metrics).toMatchObject({ handled: 200, failures: 0, skipped: 0 });
  });

  it("hands over batches of one segment, and spaces together", async () => {
    const store = open();
    await fill(store, 100, 2, "orders");
    await fill(store, 60, 2, "bills");
    const sizes: number[] = [];
    let handled = 0;
    const done = Promise.withResolvers<void>();
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders", "bills"],
      maxBatch: 7,
      batchHandler(entries) {
        expect(new Set(entries.map(({ space, segment }) => `${space}/${segment}`)).size).toBe(1);
        sizes.push(entries.length);
        handled += entries.length;
        if (handled === 160) done.resolve();
      },
    });
    const running = consumer.run();
    await done.promise;
    await consumer.stop();
    await running;
    expect(Math.max(...sizes)).toBe(7);
    expect(Object.fromEntries((await store.cursors.get("c"))?.offsets ?? [])).toEqual({ orders: 100, bills: 60 });
  });

  it("hands over what many small transactions have written together, up to the bound", async () => {
    const store = open();
    for (let n = 0; n < 50; n++) await store.space("orders").segment("s").publish({ n });
    const calls: number[][] = [];
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      maxBatch: 20,
      batchHandler: (entries) => void calls.push(entries.map(({ value }) => value.n)),
    });
    const running = consumer.run();
    await expect.poll(() => calls.flat().length).toBe(50);
    await consumer.stop();
    await running;
    expect(calls.flat()).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(Math.max(...calls.map(({ length }) => length))).toBe(20);
    expect((await store.cursors.get("c"))?.offsets.get("orders")).toBe(50);
  });

  // On Node 22 a signal keeps something of each signal that was derived from it, for as long as it lives itself.
  it("derives no signals per entry, or per commit", async () => {
    const store = open();
    await fill(store, 500);
    const derived = vi.spyOn(AbortSignal, "any");
    try {
      expect((await consume(store, { until: 500, commitCount: 10 })).length).toBe(500);
      expect(derived.mock.calls.length).toBeLessThan(30);
    } finally {
      derived.mockRestore();
    }
  });

  it("begins at the head when told so, and tells how far behind it is", async () => {
    const store = open();
    await fill(store, 50);
    const gate = Promise.withResolvers<void>();
    const seen: number[] = [];
    const running = Promise.withResolvers<void>();
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      from: "head",
      handler: async ({ value }) => {
        await gate.promise;
        seen.push(value.n);
      },
      onStateChange: ({ name }) => name === "live" && running.resolve(),
    });
    const run = consumer.run();
    await running.promise;
    await expect.poll(async () => (await store.cursors.get("c"))?.offsets.get("orders")).toBe(50);
    await fill(store, 30);
    await expect.poll(async () => (await consumer.lag()).get("orders")).toBe(30);
    gate.resolve();
    await expect.poll(async () => (await consumer.lag()).get("orders")).toBe(0);
    await consumer.stop();
    await run;
    expect(seen.length).toBe(30);
  });

  it("commits when enough is handled behind an entry that took longer, however rarely it commits otherwise", async () => {
    const store = open(randomUUID());
    const orders = store.space("orders");
    await orders.segment("slow").publish({ n: 0 });
    for (let n = 1; n <= 20; n++) await orders.segment("quick").publish({ n });
    const gate = Promise.withResolvers<void>();
    let handled = 0;
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      commitInterval: Number.POSITIVE_INFINITY,
      commitCount: 15,
      async handler({ segment }) {
        if (segment === "slow") await gate.promise;
        handled++;
      },
    });
    const run = consumer.run();
    await expect.poll(() => handled).toBe(20);
    gate.resolve();
    await expect.poll(async () => (await store.cursors.get("c"))?.offsets.get("orders")).toBe(21);
    await consumer.stop();
    await run;
  });

  it("asks the cursor how far behind it is when it does not run, and while it takes over", async () => {
    const id = randomUUID();
    const store = open(id);
    await fill(store, 10);
    const seen: number[] = [];
    const handler = () => void seen.push(0);
    const first = store.consumer({ name: "c", spaces: ["orders"], handler });
    const running = first.run();
    await expect.poll(() => seen.length).toBe(10);
    await first.stop();
    await running;
    await fill(store, 20);
    expect((await first.lag()).get("orders")).toBe(20);
    expect(first.metrics.offsets.get("orders")).toBe(10);
    // Another consumer goes on.
    await store.cursors.commit("c", { orders: 25 });
    expect((await first.lag()).get("orders")).toBe(5);

    const silent = silencing(server);
    silent.begin("CommitCursor");
    const next = openStore(server, id, silent.transport).consumer({ name: "c", spaces: ["orders"], handler });
    const takingOver = next.run();
    await silent.asked;
    expect((await next.lag()).get("orders")).toBe(5);
    await next.stop({ grace: 1 });
    await takingOver;
  });

  it("asks the cursor how far behind it is when it has lost its lease, also while a handler does not heed that", async () => {
    const store = open();
    await fill(store, 10);
    const end = Promise.withResolvers<void>();
    const lost = Promise.withResolvers<void>();
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      exclusive: { ttl: 1_000 },
      async handler(_, { signal }) {
        signal.addEventListener("abort", () => lost.resolve());
        await end.promise;
      },
    });
    const running = consumer.run();
    await expect.poll(async () => (await store.cursors.get("c"))?.version).toBe(1);
    expect((await consumer.lag()).get("orders")).toBe(10);
    const lease = await store.leases.get("consumer/c");
    if (lease !== undefined) await store.leases.release(lease);
    await lost.promise;
    await store.cursors.commit("c", { orders: 8 });
    expect((await consumer.lag()).get("orders")).toBe(2);
    const stopped = consumer.stop();
    end.resolve();
    await stopped;
    await running;
  });

  it("passes over what was trimmed", async () => {
    const store = open();
    await fill(store, 40, 1);
    await store.space("orders").segment("s0").delete();
    await fill(store, 5, 1);
    expect((await consume(store, { until: 5 })).length).toBe(5);
    expect((await store.cursors.get("billing"))?.offsets.get("orders")).toBe(45);
    await store.space("orders").segment("s0").delete();
    const consumer = store.consumer({ name: "fresh", spaces: ["orders"], handler: () => {} });
    const running = consumer.run();
    await expect.poll(async () => (await consumer.lag()).get("orders")).toBe(0);
    await consumer.stop();
    await running;
  });

  it("commits by count and by time, so that a crash repeats little and loses nothing", async () => {
    const store = open();
    await fill(store, 300, 3);
    const commits: number[] = [];
    const crash = new Error("the process is gone");
    let handled = 0;
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      commitCount: 50,
      commitInterval: 60_000,
      onCommit: (offsets) => commits.push(offsets.get("orders") ?? 0),
      async handler() {
        if (++handled === 220) throw crash;
        // Waits for the commit that is due.
        const due = Math.floor(handled / 50);
        if (handled % 50 === 25) await expect.poll(() => commits.length).toBeGreaterThanOrEqual(due);
      },
      onFailure: () => "stop",
    });
    await expect(consumer.run()).rejects.toBe(crash);
    expect(consumer.state).toMatchObject({ name: "ended", reason: crash });
    expect(commits.length).toBeGreaterThanOrEqual(3);
    const committed = (await store.cursors.get("c"))?.offsets.get("orders") ?? 0;
    expect(committed).toBeGreaterThanOrEqual(150);
    expect(committed).toBeLessThan(220);
    expect((await consume(store, { name: "c", until: 300 - committed })).length).toBe(300 - committed);
  });
});
