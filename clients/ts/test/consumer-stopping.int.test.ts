/** The end of a consumer: its last work, the entries left for the next start, and the time that it takes. */
import { randomUUID } from "node:crypto";
import { getEventListeners } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { fill, openStore, type Store, silencing } from "./consumer-store.ts";
import { type RunningServer, startServer } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());
afterEach(() => {
  vi.restoreAllMocks();
});

/** The values that a consumer handles until there are so many. */
async function restOf(store: Store, count: number): Promise<number[]> {
  const seen: number[] = [];
  const consumer = store.consumer({ name: "c", spaces: ["orders"], handler: ({ value }) => void seen.push(value.n) });
  const running = consumer.run();
  await expect.poll(() => seen.length).toBe(count);
  await consumer.stop();
  await running;
  return seen;
}

describe("stop(), while an entry is tried again and again", () => {
  it("ends the pause before the next attempt; the entry comes again at the next start, and what is behind it", async () => {
    const store = openStore(server);
    await fill(store, 3, 1);
    const failed = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      handler({ value }) {
        attempts.push(value.n);
        if (value.n === 1) throw new Error("outage");
      },
      onFailure() {
        failed.resolve();
        return { retryAfterMillis: 3_600_000 };
      },
    });
    const running = consumer.run();
    await failed.promise;
    await consumer.stop();
    await running;
    expect(consumer.state).toEqual({ name: "ended", reason: undefined });
    expect(attempts).toEqual([0, 1]);
    expect(await restOf(store, 2)).toEqual([1, 2]);
  });

  it("makes no further attempt when the one that runs has failed, and begins nothing behind it", async () => {
    const store = openStore(server);
    await fill(store, 3, 1);
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      async handler({ value }) {
        attempts.push(value.n);
        begun.resolve();
        await end.promise;
      },
      onFailure: () => ({ retryAfterMillis: 0 }),
    });
    const running = consumer.run();
    await begun.promise;
    const stopped = consumer.stop();
    end.reject(new Error("outage"));
    await stopped;
    await running;
    expect(attempts).toEqual([0]);
    expect(await restOf(store, 3)).toEqual([0, 1, 2]);
  });
});

describe("stop({ grace })", () => {
  it.each([false, { ttl: 30_000 }] as const)(
    "commits what was handled when the grace is over; exclusive: %j",
    async (exclusive) => {
      const store = openStore(server);
      await store
        .space("orders")
        .segment("a")
        .append([{ n: 0 }, { n: 1 }]);
      await store
        .space("orders")
        .segment("b")
        .append([{ n: 2 }]);
      const consumer = store.consumer({
        name: "c",
        spaces: ["orders"],
        exclusive,
        commitInterval: 60_000,
        async handler({ segment }, { signal }) {
          if (segment === "a") return;
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        },
      });
      const running = consumer.run();
      await expect.poll(() => consumer.metrics.handled).toBe(2);
      await consumer.stop({ grace: 1 });
      await running;
      expect(consumer.state).toEqual({ name: "ended", reason: undefined });
      expect((await store.cursors.get("c"))?.offsets.get("orders")).toBe(2);
    },
  );

  it("commits what a handler has finished after its signal", async () => {
    const store = openStore(server);
    await fill(store, 1);
    const begun = Promise.withResolvers<void>();
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      async handler(_, { signal }) {
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const running = consumer.run();
    await begun.promise;
    await consumer.stop({ grace: 1 });
    await running;
    expect((await store.cursors.get("c"))?.offsets.get("orders")).toBe(1);
  });

  it("gives up the last commit when the server does not answer", async () => {
    const id = randomUUID();
    await fill(openStore(server, id), 1);
    const silent = silencing(server);
    const consumer = openStore(server, id, silent.transport).consumer({
      name: "c",
      spaces: ["orders"],
      commitInterval: 60_000,
      handler: () => silent.begin("CommitCursor"),
    });
    const running = consumer.run();
    await expect.poll(() => consumer.metrics.handled).toBe(1);
    const begin = performance.now();
    await consumer.stop({ grace: 1 });
    await running;
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(consumer.state).toEqual({ name: "ended", reason: undefined });
  });

  it("gives up the lease when the server does not answer: one that waits for it, and one that has it", async () => {
    const id = randomUUID();
    await fill(openStore(server, id), 1);
    const silent = silencing(server);
    const make = (name: string) =>
      openStore(server, id, silent.transport).consumer({
        name,
        spaces: ["orders"],
        exclusive: { ttl: 100_000 },
        handler: () => {},
      });
    const active = make("active");
    const activeRunning = active.run();
    await expect.poll(() => active.metrics.handled).toBe(1);
    silent.begin("AcquireLease", "ReleaseLease");
    const waiting = make("waiting");
    const waitingRunning = waiting.run();
    await silent.asked;
    const begin = performance.now();
    await Promise.all([waiting.stop({ grace: 1 }), active.stop({ grace: 1 })]);
    await Promise.all([waitingRunning, activeRunning]);
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect([waiting.state.name, active.state.name]).toEqual(["ended", "ended"]);
  });

  it("does not keep to itself what has failed, when the lease cannot be given back after that", async () => {
    const id = randomUUID();
    await fill(openStore(server, id), 1);
    const silent = silencing(server);
    silent.begin("ReleaseLease");
    const broken = new Error("broken");
    const consumer = openStore(server, id, silent.transport).consumer({
      name: "c",
      spaces: ["orders"],
      exclusive: { ttl: 100_000 },
      handler() {
        throw broken;
      },
      onFailure: () => "stop",
    });
    const running = consumer.run();
    await silent.asked;
    await consumer.stop({ grace: 1 });
    await expect(running).rejects.toBe(broken);
    expect(consumer.state).toEqual({ name: "ended", reason: broken });
  });

  it("stops the parking of an entry when the server does not answer", async () => {
    const id = randomUUID();
    await fill(openStore(server, id), 1);
    const silent = silencing(server);
    silent.begin("Append");
    const consumer = openStore(server, id, silent.transport).consumer({
      name: "c",
      spaces: ["orders"],
      handler() {
        throw new Error("poison");
      },
      onFailure: () => "park",
      parking: { space: "parked" },
    });
    const running = consumer.run();
    await silent.asked;
    const begin = performance.now();
    await consumer.stop({ grace: 1 });
    await running;
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(consumer.state).toEqual({ name: "ended", reason: undefined });
  });
});

it.each(["GetCursor", "CommitCursor"])("stop() ends a takeover that gets no answer: %s", async (method) => {
  const silent = silencing(server);
  silent.begin(method);
  const consumer = openStore(server, randomUUID(), silent.transport).consumer({
    name: "c",
    spaces: ["orders"],
    handler: () => {},
  });
  const running = consumer.run();
  await silent.asked;
  await consumer.stop();
  await running;
  expect(consumer.state).toEqual({ name: "ended", reason: undefined });
});

it("times without end are no timers that fire at once", async () => {
  const store = openStore(server);
  await fill(store, 1);
  const timers = vi.spyOn(globalThis, "setTimeout");
  const failed = Promise.withResolvers<void>();
  const consumer = store.consumer({
    name: "c",
    spaces: ["orders"],
    commitInterval: Number.POSITIVE_INFINITY,
    handler() {
      throw new Error("no");
    },
    onFailure() {
      failed.resolve();
      return { retryAfterMillis: Number.POSITIVE_INFINITY };
    },
  });
  const running = consumer.run();
  await failed.promise;
  await consumer.stop({ grace: Number.POSITIVE_INFINITY });
  await running;
  expect(timers.mock.calls.map(([, millis]) => millis ?? 0).filter((millis) => millis > 2 ** 31 - 1)).toEqual([]);
});

it("leaves nothing on the caller's signal", async () => {
  const store = openStore(server);
  const stop = new AbortController();
  for (const name of ["a", "b"]) {
    const consumer = store.consumer({ name, spaces: ["orders"], handler: () => {}, signal: stop.signal });
    const running = consumer.run();
    await consumer.stop();
    await running;
  }
  store.consumer({ name: "never run", spaces: ["orders"], handler: () => {}, signal: stop.signal });
  expect(getEventListeners(stop.signal, "abort")).toEqual([]);
});

it("ends at once when the caller's signal had fired before", async () => {
  const signal = AbortSignal.abort();
  const consumer = openStore(server).consumer({ name: "c", spaces: ["orders"], handler: () => {}, signal });
  await consumer.run();
  expect(consumer.state).toEqual({ name: "ended", reason: undefined });
});
