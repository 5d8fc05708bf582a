/** The consumer: at least once, in order within a segment, from a durable cursor, and through failures. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { memoryStorage } from "@streamkit/server";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type ConsumerOptions, createStreamkitClient, type StoreHandle, StreamkitError } from "../src/index.ts";
import { type Event, fill, openStore, type Store, silencing } from "./consumer-store.ts";
import { type RunningServer, startServer } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

function open(id?: string, at = server): Store {
  return openStore(at, id);
}

/** Runs a consumer until it has handled so many entries. */
async function consume(
  store: Store,
  options: Partial<ConsumerOptions<Event, Event>> & { until: number },
): Promise<{ segment: string; n: number }[]> {
  const seen: { segment: string; n: number }[] = [];
  const enough = Promise.withResolvers<void>();
  const { until, ...rest } = options;
  const consumer = store.consumer({
    name: "billing",
    spaces: ["orders"],
    handler: ({ segment, value }) => {
      seen.push({ segment, n: value.n });
      if (seen.length >= until) enough.resolve();
    },
    ...rest,
  });
  const running = consumer.run();
  await Promise.race([enough.promise, running]);
  await consumer.stop();
  await running;
  return seen;
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
    // Another name knows nothing of it.
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
    expect(consumer.state.name).toBe("stopped");
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
      onStateChange: ({ name }) => name === "running" && running.resolve(),
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
    // Somebody else goes on.
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
        // Lets commits happen in between.
        if (handled % 25 === 0) await delay(20);
      },
      onFailure: () => "stop",
    });
    await expect(consumer.run()).rejects.toBe(crash);
    expect(consumer.state).toMatchObject({ name: "failed", reason: crash });
    expect(commits.length).toBeGreaterThanOrEqual(3);
    const committed = (await store.cursors.get("c"))?.offsets.get("orders") ?? 0;
    expect(committed).toBeGreaterThanOrEqual(150);
    expect(committed).toBeLessThan(220);
    expect((await consume(store, { name: "c", until: 300 - committed })).length).toBe(300 - committed);
  });
});

describe("a handler that fails", () => {
  it("is tried again with its entry, while other segments go on; then the consumer stops with its error", async () => {
    const store = open();
    await fill(store, 20, 2);
    const attempts: number[] = [];
    const others: number[] = [];
    const broken = new Error("broken");
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      handler({ segment, value }, { attempt }) {
        if (segment === "s1") return void others.push(value.n);
        attempts.push(attempt);
        throw broken;
      },
    });
    await expect(consumer.run()).rejects.toBe(broken);
    expect(attempts).toEqual([1, 2, 3, 4, 5]);
    expect(others).toEqual(Array.from({ length: 10 }, (_, index) => index * 2 + 1));
    expect(consumer.metrics).toMatchObject({ failures: 5, handled: 10 });
    expect((await store.cursors.get("c"))?.offsets.get("orders")).toBe(0);
  });

  it("may be skipped, or put aside with where it came from, exactly once", async () => {
    const store = open();
    await fill(store, 12, 1);
    const decide = (n: number) => (n === 3 ? "skip" : n === 5 ? "park" : n === 7 ? { retryAfterMillis: 1 } : "stop");
    let sevens = 0;
    const seen = await consume(store, {
      until: 10,
      parking: { space: "parked" },
      handler: undefined,
      batchHandler: undefined,
      ...handling((n, entry) => {
        if (n === 3 || n === 5 || (n === 7 && ++sevens < 3)) throw new Error(`no ${n}`);
        return entry;
      }),
      onFailure: ({ entries }) => decide(entries[0].value.n) as never,
    });
    expect(seen).toEqual([]);
    expect(handledValues).toEqual([0, 1, 2, 4, 6, 7, 8, 9, 10, 11]);
    const parked = await store.space("parked").segment("billing").peek();
    expect(parked?.value).toEqual({ n: 5 });
    expect(parked?.metadata).toMatchObject({
      "parked-space": "orders",
      "parked-segment": "s0",
      "parked-sequence": "6",
      "parked-offset": "6",
      "parked-error": "no 5",
    });
    // Delivered and put aside once more, as after a crash before the commit: there is one.
    await store.cursors.commit("billing", { orders: 0 });
    handledValues.length = 0;
    sevens = 3;
    await consume(store, {
      until: 10,
      parking: { space: "parked" },
      ...handling((n, entry) => {
        if (n === 3 || n === 5) throw new Error(`no ${n}`);
        return entry;
      }),
      onFailure: ({ entries }) => decide(entries[0].value.n) as never,
    });
    expect((await store.space("parked").segment("billing").status()).lastSequence).toBe(1);
  });
});

describe("parking", () => {
  /** Parks everything, until it has parked so much. */
  async function parkAll(store: StoreHandle, count: number, options: { maxBatch?: number } = {}): Promise<void> {
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      batchHandler() {
        throw new Error("poison");
      },
      onFailure: () => "park",
      parking: { space: "parked" },
      ...options,
    });
    const running = consumer.run();
    await Promise.race([running, expect.poll(() => consumer.metrics.parked).toBe(count)]);
    await consumer.stop();
    await running;
  }

  async function parked(store: StoreHandle): Promise<{ payload: number; metadata: Record<string, string> }[]> {
    const found: { payload: number; metadata: Record<string, string> }[] = [];
    for await (const { payload, metadata } of store.space("parked").segment("c").consume()) {
      found.push({ payload: payload.length, metadata });
    }
    return found;
  }

  function openRaw(): StoreHandle {
    return createStreamkitClient({ transport: server.streamkit.transport() }).store(randomUUID());
  }

  it("leaves out the payload of an entry that has no room for more labels, and then its labels", async () => {
    const store = openRaw();
    const orders = store.space("orders").segment("a");
    await orders.publish({ payload: new Uint8Array(1_048_550), metadata: { kind: "large" } });
    await orders.publish({ metadata: { kind: "k".repeat(1_048_500) } });
    await parkAll(store, 2);
    const [payload, labels] = await parked(store);
    expect(payload).toEqual({
      payload: 0,
      metadata: {
        kind: "large",
        "parked-space": "orders",
        "parked-segment": "a",
        "parked-sequence": "1",
        "parked-offset": "1",
        "parked-error": "poison",
        "parked-without": "payload",
      },
    });
    expect(labels).toMatchObject({
      payload: 0,
      metadata: { "parked-offset": "2", "parked-without": "payload, labels" },
    });
    expect(Object.keys(labels.metadata)).not.toContain("kind");
  });

  it("has room for a batch that fills a transaction", async () => {
    const store = openRaw();
    await store
      .space("orders")
      .segment("a")
      .append([new Uint8Array(524_288), new Uint8Array(524_288)]);
    await parkAll(store, 2);
    expect((await parked(store)).map(({ payload }) => payload)).toEqual([524_288, 524_288]);
  });

  it("writes an entry once, also when it comes again in another batch", async () => {
    const store = openRaw();
    await store
      .space("orders")
      .segment("a")
      .append([1, 2, 3].map((byte) => Uint8Array.of(byte)));
    await parkAll(store, 3);
    await store.cursors.commit("c", { orders: 0 });
    await parkAll(store, 3, { maxBatch: 2 });
    expect((await parked(store)).map(({ metadata }) => metadata["parked-offset"])).toEqual(["1", "2", "3"]);
  });
});

/** A handler whose values are noted, and that ends the consumer after ten of them. */
const handledValues: number[] = [];
function handling(check: (n: number, entry: unknown) => unknown): Partial<ConsumerOptions<Event, Event>> {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    handler: (entry) => {
      check(entry.value.n, entry);
      handledValues.push(entry.value.n);
      if (handledValues.length === 10) stop.abort();
    },
  };
}

it("a consumer goes on after its server was away", async () => {
  const storage = memoryStorage();
  let at = await startServer(0, storage);
  const { port } = new URL(at.listener.url);
  const store = open(randomUUID(), at);
  await fill(store, 20);
  const seen: number[] = [];
  const consumer = store.consumer({
    name: "c",
    spaces: ["orders"],
    commitInterval: 10,
    handler: ({ value }) => void seen.push(value.n),
  });
  const running = consumer.run();
  await expect.poll(() => seen.length).toBe(20);
  await at.streamkit.close();
  at = await startServer(Number(port), storage);
  await fill(store, 20);
  await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(40);
  await consumer.stop();
  await running;
  expect(await store.consumer({ name: "c", spaces: ["orders"], handler: () => {} }).lag()).toEqual(
    new Map([["orders", 0]]),
  );
  await at.streamkit.close();
}, 30_000);

it("a consumer without a handler, or without spaces, is refused at once", () => {
  const store = open();
  for (const options of [{ spaces: ["a"] }, { spaces: [], handler: () => {} }]) {
    expect(() => store.consumer({ name: "c", ...options })).toThrow(StreamkitError);
  }
});
