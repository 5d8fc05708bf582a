/** Subscriptions, leases, cursors and presence over every transport. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createStreamkitClient, StreamkitError, type SubscriptionState } from "../src/index.ts";
import { type RunningServer, startServer, TRANSPORTS } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const text = (value: string) => new TextEncoder().encode(value);

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    if (error instanceof StreamkitError) return error.reason;
    throw error;
  }
  return undefined;
}

describe.each(Object.keys(TRANSPORTS))("over %s", (name) => {
  const open = () => {
    const transport = TRANSPORTS[name](server);
    return createStreamkitClient({ transport, retry: { maxAttempts: 2 } }).store(randomUUID());
  };

  test("watches segments: snapshot, mark, changes", async () => {
    const space = open().space("inventory");
    await space.segment("bin-1").append([text("a"), text("b")]);
    const states: SubscriptionState["name"][] = [];
    const subscription = space.subscribe({ prefix: "bin-", onStateChange: (state) => states.push(state.name) });
    expect(subscription.state.name).toBe("connecting");
    const seen: string[] = [];
    for await (const event of subscription) {
      if (event.kind === "status") seen.push(`${event.status.segment} ${event.status.lastSequence}`);
      else seen.push(event.kind);
      if (event.kind === "live") {
        await space.segment("box-1").publish(text("x"));
        await space.segment("bin-2").publish(text("x"));
      }
      if (seen.at(-1) === "bin-2 1") break;
    }
    expect(seen).toEqual(["snapshot", "bin-1 2", "live", "bin-2 1"]);
    expect(states).toEqual(["connecting", "live", "ended"]);
  });

  test("watches one segment with callbacks", async () => {
    const segment = open().space("inventory").segment("bin-1");
    const live = Promise.withResolvers<void>();
    const changed = Promise.withResolvers<number>();
    using watch = segment.subscribe(
      {},
      {
        onLive: () => live.resolve(),
        onStatus: ({ lastSequence }) => lastSequence > 0 && changed.resolve(lastSequence),
      },
    );
    await live.promise;
    expect(watch.state.name).toBe("live");
    await segment.append([text("a"), text("b")]);
    expect(await changed.promise).toBe(2);
    watch.close();
    await watch.ended;
  });

  test("takes, renews, shows, lists and gives back leases", async () => {
    const { leases } = open();
    expect(await leases.get("k")).toBeUndefined();
    const lease = await leases.acquire("k", "one", { ttl: 60_000 });
    expect(lease).toMatchObject({ key: "k", holder: "one", fencingToken: 1n });
    expect(lease.expireTime.getTime()).toBeGreaterThan(Date.now() + 50_000);
    expect(await reasonOf(leases.acquire("k", "two"))).toBe("LEASE_HELD");
    expect(await leases.renew(lease)).toMatchObject({ fencingToken: 1n });
    expect(await reasonOf(leases.renew({ ...lease, fencingToken: 2n }))).toBe("LEASE_LOST");
    expect(await leases.get("k")).toMatchObject({ holder: "one" });
    expect((await leases.list({ prefix: "k" }).page()).items).toMatchObject([{ key: "k" }]);
    await leases.release(lease);
    expect(await leases.get("k")).toBeUndefined();
    expect(await reasonOf(leases.acquire("k", "h", { ttl: 999 }))).toBe("INVALID_FIELD");
  });

  test("runs a function under a lease, whose appends carry the token", async () => {
    const store = open();
    const segment = store.space("work").segment("log");
    const order: string[] = [];
    const waiting = Promise.withResolvers<void>();
    let second: Promise<bigint> | undefined;
    const first = await store.withLease("k", 5_000, async (lease) => {
      order.push("first");
      // Ask for it only now, because the first request gets it.
      second = store.withLease("k", { ttl: 5_000, onHeld: () => waiting.resolve() }, async (lease) => {
        order.push("second");
        await lease.store.space("work").append([{ segment: "log", records: [text("2")] }]);
        return lease.fencingToken;
      });
      await lease.store.space("work").segment("log").publish(text("1"));
      await waiting.promise;
      order.push("first ends");
      return lease.fencingToken;
    });
    expect([first, await second]).toEqual([1n, 2n]);
    expect(order).toEqual(["first", "first ends", "second"]);
    expect(await reasonOf(segment.publish(text("late"), { fencingToken: 1n }))).toBe("FENCED");
    expect((await segment.status()).lastSequence).toBe(2);
    await expect(store.withLease("k", 5_000, () => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
    expect(await store.leases.get("k")).toBeUndefined();
    const held = await store.leases.acquire("k", "other");
    const hurried = store.withLease("k", { ttl: 5_000, wait: 0 }, async () => {});
    expect(await reasonOf(hurried)).toBe("LEASE_HELD");
    await store.leases.release(held);
  });

  test("keeps cursors by compare and set", async () => {
    const { cursors } = open();
    expect(await cursors.get("c")).toBeUndefined();
    const first = await cursors.commit("c", { orders: 5, "bills ü": 2n }, { expectedVersion: 0 });
    expect([...first.offsets].sort()).toEqual([
      ["bills ü", 2],
      ["orders", 5],
    ]);
    expect(await reasonOf(cursors.commit("c", { orders: 6 }, { expectedVersion: 0 }))).toBe("CURSOR_CONFLICT");
    const second = await cursors.commit("c", new Map([["orders", 6]]), { expectedVersion: first.version });
    expect(second.offsets.get("bills ü")).toBe(2);
    expect(await cursors.get("c")).toEqual(second);
    const names: string[] = [];
    for await (const cursor of cursors.list()) names.push(cursor.name);
    expect(names).toEqual(["c"]);
    await cursors.delete("c");
    await cursors.delete("c");
    expect(await cursors.get("c")).toBeUndefined();
  });

  test("joins and watches a group of workers", async () => {
    const group = open().presence("importers");
    const one = group.join({ id: "w1", metadata: { host: "h ü" } });
    await one.joined;
    await using two = group.join({ id: "w2" });
    const inventories: string[] = [];
    for await (const workers of group.watch()) {
      inventories.push(workers.map(({ id }) => id).join());
      if (inventories.at(-1) === "w1,w2") await one.close();
      if (inventories.at(-1) === "w2") break;
    }
    expect(inventories.slice(-2)).toEqual(["w1,w2", "w2"]);
    await expect.poll(() => two.workers.map(({ id }) => id)).toEqual(["w2"]);
    expect((await group.list().page()).items).toMatchObject([{ id: "w2", metadata: {} }]);
    const replacement = group.join({ id: "w2", metadata: { again: "yes" } });
    expect(await reasonOf(two.ended)).toBe("NOT_FOUND");
    expect(two.state).toMatchObject({ name: "ended", reason: { reason: "NOT_FOUND" } });
    await replacement.joined;
    expect(replacement.workers).toMatchObject([{ id: "w2", metadata: { again: "yes" } }]);
    await replacement.close();
  });
});
