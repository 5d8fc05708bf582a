/** The consumer: at least once, in order within a segment, from a durable cursor; alone, in company, and through failures. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { memoryStorage } from "@streamkit/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ConsumerOptions, createStreamkitClient, json, type StoreHandle, StreamkitError } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import { type RunningServer, startServer } from "./peers.ts";

type Event = { n: number };
type Store = StoreHandle<Event, Event>;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

function open(id: string = randomUUID(), at = server): Store {
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: at.listener.url }) });
  return client.store(id).withCodec(json<Event>());
}

async function fill(store: Store, count: number, segments = 4, space = "orders"): Promise<void> {
  await store.space(space).produce(
    Array.from({ length: count }, (_, n) => ({ segment: `s${n % segments}`, record: { n } })),
    { maxBatchRecords: 20 },
  );
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

describe("two consumers with one name", () => {
  it("are a mistake that the first one is told of", async () => {
    const store = open();
    await fill(store, 10);
    const first = store.consumer({ name: "c", spaces: ["orders"], commitInterval: 20, handler: () => {} });
    const running = first.run();
    await expect.poll(async () => (await store.cursors.get("c"))?.offsets.get("orders")).toBe(10);
    const { version } = (await store.cursors.get("c"))!;
    const second = store.consumer({ name: "c", spaces: ["orders"], handler: () => {} });
    const other = second.run();
    await expect.poll(async () => (await store.cursors.get("c"))?.version).toBe(version + 1);
    await fill(store, 1);
    await expect(running).rejects.toMatchObject({ reason: "CURSOR_CONFLICT" });
    await second.stop();
    await other;
  });

  it("are no mistake of the second one when the first one commits while it is taken over from", async () => {
    const id = randomUUID();
    const store = open(id);
    let commits = 0;
    const transport = createNodeTransport({
      baseUrl: server.listener.url,
      interceptors: [
        (next) => async (request) => {
          // Before the first two of its commits reach the server, somebody else's do.
          if (request.method.name === "CommitCursor" && ++commits <= 2) await store.cursors.commit("c", { orders: 0 });
          return await next(request);
        },
      ],
    });
    const overtaken = createStreamkitClient({ transport }).store(id).withCodec(json<Event>());
    const consumer = overtaken.consumer({ name: "c", spaces: ["orders"], handler: () => {} });
    const running = consumer.run();
    await expect.poll(async () => (await store.cursors.get("c"))?.version).toBe(3);
    await fill(store, 1);
    await expect.poll(() => consumer.metrics.handled).toBe(1);
    await consumer.stop();
    await running;
  });

  it("take turns when they are exclusive: one is active, the other takes over when it stops", async () => {
    const id = randomUUID();
    const [a, b] = [open(id), open(id)];
    await fill(a, 100);
    const seen: string[] = [];
    const tokens = new Map<string, bigint | undefined>();
    const make = (store: Store, who: string) =>
      store.consumer({
        name: "c",
        spaces: ["orders"],
        exclusive: { ttl: 2_000, holder: who },
        commitInterval: 50,
        handler({ value }, { fencingToken }) {
          seen.push(`${who} ${value.n}`);
          tokens.set(who, fencingToken);
        },
      });
    const first = make(a, "a");
    const running = first.run();
    await expect.poll(() => seen.length).toBe(100);
    const second = make(b, "b");
    const other = second.run();
    await expect.poll(() => second.state.name).toBe("standby");
    await first.stop();
    await running;
    await expect.poll(() => second.state.name, { timeout: 5_000 }).toBe("running");
    await fill(b, 50);
    await expect.poll(() => seen.length, { timeout: 5_000 }).toBe(150);
    expect(seen.slice(100).every((each) => each.startsWith("b "))).toBe(true);
    expect(Object.fromEntries(tokens)).toEqual({ a: 1n, b: 2n });
    await second.stop();
    await other;
  });

  // Whoever asks with the name of the holder has the lease, and its token: two processes of one machine that were called by its name
  // both took themselves for the active one.
  it("take turns also when they were given the same holder name", async () => {
    const id = randomUUID();
    const make = () =>
      open(id).consumer({
        name: "c",
        spaces: ["orders"],
        exclusive: { ttl: 5_000, holder: "host" },
        handler: () => {},
      });
    const [first, second] = [make(), make()];
    const running = first.run();
    await expect.poll(() => first.state.name).toBe("running");
    const other = second.run();
    await expect.poll(() => second.state.name).not.toBe("idle");
    expect([first.state.name, second.state.name]).toEqual(["running", "standby"]);
    expect((await open(id).leases.get("consumer/c"))?.holder).toMatch(/^host /);
    await Promise.all([first.stop(), second.stop()]);
    await Promise.all([running, other]);
  });

  it("hand over within a ttl when the active one freezes, which then can neither append nor commit", async () => {
    const id = randomUUID();
    const frozenServer = await startServer(0, memoryStorage());
    const storage = frozenServer.streamkit;
    // Two clients of one server; the first one's connection is cut.
    const cut = new AbortController();
    const transport = createNodeTransport({
      baseUrl: frozenServer.listener.url,
      interceptors: [
        (next) => async (request) => {
          if (!cut.signal.aborted) return next(request);
          return new Promise((_, reject) => {
            request.signal.addEventListener("abort", () => reject(request.signal.reason));
          });
        },
      ],
    });
    const a = createStreamkitClient({ transport }).store(id).withCodec(json<Event>());
    const b = open(id, frozenServer);
    await fill(b, 10, 1);
    const results: string[] = [];
    const late = Promise.withResolvers<void>();
    const make = (store: Store, who: string, ttl = 2_000) =>
      store.consumer({
        name: "c",
        spaces: ["orders"],
        exclusive: { ttl, holder: who },
        commitInterval: 10,
        async handler({ value }, { store: fenced, signal }) {
          if (who === "a" && value.n === 5) {
            cut.abort();
            await late.promise;
            expect(signal.aborted).toBe(true);
          }
          await fenced.space("results").segment("out").publish({ n: value.n });
          results.push(`${who} ${value.n}`);
        },
      });
    const first = make(a, "a");
    const running = first.run().catch(() => {});
    await expect.poll(() => first.metrics.handled).toBe(5);
    const second = make(b, "b");
    const begin = performance.now();
    const other = second.run();
    await expect.poll(() => second.state.name, { timeout: 10_000 }).toBe("running");
    // The lease is good for its ttl from its latest renewal on; a tenth is what looking adds.
    expect(performance.now() - begin).toBeLessThan(2_000 * 1.1 + 1_000);
    await expect.poll(() => results.at(-1), { timeout: 5_000 }).toBe("b 9");
    late.resolve();
    await expect.poll(() => first.state.name).not.toBe("running");
    await second.stop();
    await Promise.all([other, first.stop({ grace: 100 }), running]);
    const written: number[] = [];
    for await (const { value } of b.space("results").segment("out").consume()) written.push(value.n);
    // What the first one had handled and not committed comes again; nothing is lost, and nothing of it came late.
    expect([...new Set(written)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(results).not.toContain("a 5");
    expect(written.at(-1)).toBe(9);
    await storage.close();
  }, 30_000);
});

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
