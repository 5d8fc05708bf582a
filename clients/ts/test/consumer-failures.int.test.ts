/** Entries whose handler fails: the consumer retries, skips or parks them. */
import { randomUUID } from "node:crypto";
import { memoryStorage } from "@streamkit/server";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type ConsumerOptions, createStreamkitClient, type StoreHandle, StreamkitError } from "../src/index.ts";
import { consume, type Event, fill, openStore, type Store } from "./consumer-store.ts";
import { type RunningServer, startServer } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

function open(id?: string, at = server): Store {
  return openStore(at, id);
}

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
    // A crash before the commit lets the consumer deliver and park the entry again. The parking segment has it once.
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

  it("needs no secure context to put entries aside", async () => {
    const { getRandomValues } = crypto;
    vi.stubGlobal("crypto", { getRandomValues: getRandomValues.bind(crypto) });
    try {
      const store = openRaw();
      await store.space("orders").segment("a").publish(Uint8Array.of(1));
      await parkAll(store, 1);
      expect(await parked(store)).toHaveLength(1);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("leaves out the payload of an entry that has no room for more labels, and then its labels", async () => {
    const store = openRaw();
    const orders = store.space("orders").segment("a");
    await orders.publish({ payload: new Uint8Array(1_048_550), metadata: { kind: "large" } });
    await orders.publish({ payload: new Uint8Array(0), metadata: { kind: "k".repeat(1_048_500) } });
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
function handling(
  check: (n: number, entry: unknown) => unknown,
): Partial<ConsumerOptions<Event, StoreHandle<Event, Event>>> {
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

describe("entries that the codec cannot decode (M17)", () => {
  /** A store whose segment has values, and at some places bytes that are no JSON. */
  async function fillWithBad(values: readonly (number | "bad")[]): Promise<Store> {
    const store = open();
    const records = values.map((n) => new TextEncoder().encode(n === "bad" ? "{bad" : JSON.stringify({ n })));
    const raw = createStreamkitClient({ transport: server.streamkit.transport() }).store(store.id);
    await raw.space("orders").segment("a").append(records);
    return store;
  }

  /** Consumes in batches until everything that can be decoded is handled. */
  async function consumeBatches(
    store: Store,
    options: Partial<ConsumerOptions<Event, StoreHandle<Event, Event>>>,
    wrap = (e: unknown) => e,
  ) {
    const handled: number[] = [];
    const failed: { offsets: number[]; attempt: number }[] = [];
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      batchHandler(entries) {
        try {
          handled.push(...entries.map(({ value }) => value.n));
        } catch (error) {
          throw wrap(error);
        }
      },
      onFailure({ entries, attempt }) {
        failed.push({ offsets: entries.map(({ offset }) => offset), attempt });
        return "skip";
      },
      ...options,
    });
    const running = consumer.run();
    await Promise.race([running, expect.poll(() => consumer.metrics.offsets.get("orders")).toBe(6)]);
    await consumer.stop();
    await running;
    return { handled, failed, metrics: consumer.metrics };
  }

  it("are skipped one by one: the good ones before and behind are delivered, in order", async () => {
    const store = await fillWithBad([1, "bad", 3, 4, "bad", 6]);
    const { handled, failed, metrics } = await consumeBatches(store, {});
    expect(handled).toEqual([1, 3, 4, 6]);
    expect(failed).toEqual([
      { offsets: [2], attempt: 1 },
      { offsets: [5], attempt: 1 },
    ]);
    expect(metrics).toMatchObject({ handled: 4, skipped: 2 });
    expect((await store.cursors.get("c"))?.offsets.get("orders")).toBe(6);
  });

  it("are found behind an error that the handler made of that of the codec", async () => {
    const store = await fillWithBad([1, "bad", 3, 4, 5, 6]);
    const { handled } = await consumeBatches(store, {}, (cause) => new Error("in the batch", { cause }));
    expect(handled).toEqual([1, 3, 4, 5, 6]);
  });

  it("are put aside one by one, as they were written", async () => {
    const store = await fillWithBad([1, "bad", 3, 4, 5, 6]);
    const { handled, metrics } = await consumeBatches(store, {
      onFailure: ({ attempt }) => (attempt < 3 ? { retryAfterMillis: 1 } : "park"),
      parking: { space: "parked" },
    });
    expect(handled).toEqual([1, 3, 4, 5, 6]);
    expect(metrics).toMatchObject({ failures: 3, parked: 1, handled: 5 });
    const parked = await store.space("parked").segment("c").peek();
    expect(new TextDecoder().decode(parked?.payload)).toBe("{bad");
    expect(parked?.metadata).toMatchObject({
      "parked-offset": "2",
      "parked-error": expect.stringContaining("entry 2"),
    });
  });

  it("stop the consumer at once where nobody decides, with their place", async () => {
    const store = await fillWithBad([1, "bad", 3]);
    const consumer = store.consumer({ name: "c", spaces: ["orders"], handler: ({ value }) => value });
    await expect(consumer.run()).rejects.toMatchObject({ reason: "CODEC_FAILED", entry: { offset: 2 } });
    expect(consumer.metrics).toMatchObject({ handled: 1, failures: 1 });
    expect((await store.cursors.get("c"))?.offsets.get("orders")).toBe(1);
  });
});
