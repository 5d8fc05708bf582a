/** Two consumers with one name: the earlier one fails, or they take turns. */
import { randomUUID } from "node:crypto";
import { memoryStorage } from "@streamkit/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNodeTransport } from "../src/node.ts";
import { fill, openStore, type Store } from "./consumer-store.ts";
import { type RunningServer, startServer } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

function open(id?: string, at = server): Store {
  return openStore(at, id);
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
          // Another client commits the cursor before each of the consumer's first two commits reaches the server.
          if (request.method.name === "CommitCursor" && ++commits <= 2) await store.cursors.commit("c", { orders: 0 });
          return await next(request);
        },
      ],
    });
    const overtaken = openStore(server, id, transport);
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
    await expect.poll(() => second.active, { timeout: 5_000 }).toBe(true);
    await fill(b, 50);
    await expect.poll(() => seen.length, { timeout: 5_000 }).toBe(150);
    expect(seen.slice(100).every((each) => each.startsWith("b "))).toBe(true);
    expect(Object.fromEntries(tokens)).toEqual({ a: 1n, b: 2n });
    await second.stop();
    await other;
  });

  // A request with the holder's name gets the same lease and token. Without random names, two processes of one machine
  // with the machine's name would both believe that they are active.
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
    await expect.poll(() => first.active).toBe(true);
    const other = second.run();
    await expect.poll(() => second.state.name).not.toBe("idle");
    expect([first.active, second.active, second.state.name]).toEqual([true, false, "standby"]);
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
    const a = openStore(server, id, transport);
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
    await expect.poll(() => second.active, { timeout: 10_000 }).toBe(true);
    // The lease lasts for its ttl after the latest renewal. The pause between looks adds a tenth.
    expect(performance.now() - begin).toBeLessThan(2_000 * 1.1 + 1_000);
    await expect.poll(() => results.at(-1), { timeout: 5_000 }).toBe("b 9");
    late.resolve();
    await expect.poll(() => first.active).toBe(false);
    await second.stop();
    await Promise.all([other, first.stop({ grace: 100 }), running]);
    const written: number[] = [];
    for await (const { value } of b.space("results").segment("out").consume()) written.push(value.n);
    // The second consumer gets the entries that the first had handled but not committed. No entry is lost or late.
    expect([...new Set(written)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(results).not.toContain("a 5");
    expect(written.at(-1)).toBe(9);
    await storage.close();
  }, 30_000);
});
