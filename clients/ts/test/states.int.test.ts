/** The states of reads and consumers, also for positions that do not exist (M13, M16). */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FlakyProxy, flakyProxy } from "../../../conformance/src/lab/flaky-proxy.ts";
import {
  type ConsumerState,
  createStreamkitClient,
  type ReadState,
  type SpaceOffsets,
  type StoreHandle,
} from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import { type RunningServer, startServer } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const RETRY = { initialDelayMillis: 5, maxDelayMillis: 20 };
const one = Uint8Array.of(1);

function open(id: string = randomUUID(), url = server.listener.url): StoreHandle {
  return createStreamkitClient({ transport: createNodeTransport({ baseUrl: url }), retry: RETRY }).store(id);
}

/** Notes states, and waits for one. */
function listen<S extends { readonly name: string }>() {
  const states: S[] = [];
  return {
    states,
    onStateChange: (state: S) => void states.push(state),
    names: () => states.map(({ name }) => name),
    until: (name: S["name"]) => expect.poll(() => states.at(-1)?.name).toBe(name),
  };
}

/** Takes the entries of a read in the background. */
function drain(read: AsyncIterable<{ sequence: number }>) {
  const seen: number[] = [];
  const done = (async () => {
    for await (const { sequence } of read) seen.push(sequence);
  })();
  done.catch(() => {});
  return { seen, done };
}

describe("a read", () => {
  it("connects, delivers, and ends", async () => {
    const segment = open().space("s").segment("a");
    await segment.append([one, one, one]);
    const { states, onStateChange } = listen<ReadState>();
    await drain(segment.consume({ onStateChange })).done;
    expect(states).toEqual([
      { name: "connecting" },
      { name: "live" },
      { name: "caughtUp", head: 3 },
      { name: "ended", reason: undefined },
    ]);
  });

  it("tells that it is at the head after the entries before that were taken, and that its caller left", async () => {
    const space = open().space("s");
    await space.segment("a").append([one, one]);
    const { states, names, until, onStateChange } = listen<ReadState>();
    const iterator = space.follow({ onStateChange })[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    expect(names()).toEqual(["connecting", "live"]);
    const third = iterator.next();
    await until("caughtUp");
    expect(states.at(-1)).toEqual({ name: "caughtUp", head: 2 });
    await space.segment("b").publish(one);
    expect((await third).value?.offset).toBe(3);
    await iterator.return();
    expect(names()).toEqual(["connecting", "live", "caughtUp", "ended"]);
  });

  it("says nothing when it was never begun", async () => {
    const { states, onStateChange } = listen<ReadState>();
    await open().space("s").consume({ onStateChange })[Symbol.asyncIterator]().return();
    expect(states).toEqual([]);
  });

  it("tells why it connects again, how often that failed and how long it waits, and that it is back", async () => {
    await using proxy = await flakyProxy(server.listener.port);
    const segment = open(undefined, proxy.url).space("s").segment("a");
    await segment.publish(one);
    const { states, until, onStateChange } = listen<ReadState>();
    const stop = new AbortController();
    const { done } = drain(segment.follow({ onStateChange, signal: stop.signal }));
    await until("caughtUp");
    breakOff(proxy);
    await expect.poll(() => states.filter(({ name }) => name === "retrying").length).toBeGreaterThan(2);
    const retrying = states.filter((state) => state.name === "retrying");
    expect(retrying.slice(0, 3).map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(retrying[0]).toMatchObject({ reason: { reason: "CONNECTION_LOST" }, delayMillis: expect.any(Number) });
    proxy.target = server.listener.port;
    await until("caughtUp");
    expect(states.slice(-2)).toEqual([{ name: "live" }, { name: "caughtUp", head: 1 }]);
    stop.abort();
    await expect(done).rejects.toMatchObject({ reason: "CANCELED" });
    expect(states.at(-1)).toMatchObject({ name: "ended", reason: { reason: "CANCELED" } });
  });

  it("tells the error that it ends with", async () => {
    const store = open();
    await store.space("s").segment("a").publish(one);
    const { states, until, onStateChange } = listen<ReadState>();
    const { done } = drain(store.space("s").follow({ onStateChange }));
    await until("caughtUp");
    await store.delete();
    const error = await done.catch((thrown) => thrown);
    expect(error).toMatchObject({ reason: "NOT_FOUND" });
    expect(states.at(-1)).toEqual({ name: "ended", reason: error });
  });

  it.each(["connecting", "live", "caughtUp"])("ends when the function that is told of %s throws", async (bad) => {
    const segment = open().space("s").segment("a");
    await segment.publish(one);
    const bug = new Error("a bug");
    const names: string[] = [];
    const reading = drain(
      segment.follow({
        onStateChange({ name }) {
          names.push(name);
          if (name === bad) throw bug;
        },
      }),
    );
    await expect(reading.done).rejects.toMatchObject({ reason: "UNKNOWN", cause: bug });
    expect(names.at(-1)).toBe("ended");
  });

  it("ends when onCaughtUp throws, and frees its connection", async () => {
    const segment = open().space("s").segment("a");
    const bug = new Error("a bug");
    const { states, onStateChange } = listen<ReadState>();
    const onCaughtUp = () => {
      throw bug;
    };
    await expect(drain(segment.follow({ onCaughtUp, onStateChange })).done).rejects.toBe(bug);
    expect(states.at(-1)).toMatchObject({ name: "ended", reason: { reason: "UNKNOWN", cause: bug } });
  });
});

/** Resets connections, and those to come. */
function breakOff(proxy: FlakyProxy): void {
  proxy.target = undefined;
  proxy.cut();
}

describe("a position beyond the head", () => {
  it("is told by a read of a segment; the next position is none", async () => {
    const segment = open().space("s").segment("a");
    await segment.append([one, one]);
    const beyond = listen<ReadState>();
    const next = listen<ReadState>();
    const far = drain(segment.follow({ minSequence: 4, limit: 2, onStateChange: beyond.onStateChange }));
    const near = drain(segment.follow({ minSequence: 3, limit: 1, onStateChange: next.onStateChange }));
    await beyond.until("beyondHead");
    await next.until("caughtUp");
    expect(beyond.states.at(-1)).toEqual({ name: "beyondHead", next: 4, head: 2 });
    expect(next.states.at(-1)).toEqual({ name: "caughtUp", head: 2 });
    await segment.append([one, one, one]);
    await Promise.all([near.done, far.done]);
    expect([near.seen, far.seen]).toEqual([[3], [4, 5]]);
    expect(beyond.names().slice(0, 3)).toEqual(["connecting", "live", "beyondHead"]);
    expect(beyond.names().filter((name) => name === "beyondHead")).toHaveLength(1);
    expect(next.names()).not.toContain("beyondHead");
  });

  it("is told by a read of a segment that was emptied only where it is beyond what was ever written", async () => {
    const segment = open().space("s").segment("a");
    await segment.append([one, one]);
    await segment.delete();
    const { names, until, onStateChange } = listen<ReadState>();
    void drain(segment.follow({ minSequence: 3, limit: 1, onStateChange }));
    await until("caughtUp");
    expect(names()).not.toContain("beyondHead");
    await segment.publish(one);
    await until("ended");
  });

  it("is told by a bounded read, which gives nothing", async () => {
    const space = open().space("s");
    const { states, onStateChange } = listen<ReadState>();
    const { seen, done } = drain(space.consume({ minOffset: 5, onStateChange }));
    await done;
    expect([seen, states[2]]).toEqual([[], { name: "beyondHead", next: 5, head: 0 }]);
  });

  it("is told by a read of several spaces, for those that are concerned", async () => {
    const store = open();
    await store.space("x").segment("a").append([one, one]);
    await store.space("y").segment("a").append([one, one]);
    const spaces = { x: 1, y: 3, z: 7 };
    const { states, until, onStateChange } = listen<ReadState<SpaceOffsets>>();
    const { seen } = drain(store.follow({ spaces, limit: 3, onStateChange }));
    await until("beyondHead");
    const told = states.find((state) => state.name === "beyondHead");
    expect([told?.next.get("z"), told?.head]).toEqual([7, new Map([["z", 0]])]);
    await store.space("y").segment("a").publish(one);
    await until("ended");
    expect(seen).toEqual([1, 2, 3]);
  });

  it("is told when the store was made anew while the read had no connection", async () => {
    const before = await startServer();
    await using proxy = await flakyProxy(before.listener.port);
    const store = open(undefined, proxy.url);
    await store.space("s").segment("a").append([one, one, one]);
    const { states, until, onStateChange } = listen<ReadState>();
    const stop = new AbortController();
    const { done } = drain(store.space("s").segment("a").follow({ onStateChange, signal: stop.signal }));
    await until("caughtUp");
    breakOff(proxy);
    await before[Symbol.asyncDispose]();
    proxy.target = server.listener.port;
    await until("beyondHead");
    expect(states.at(-1)).toEqual({ name: "beyondHead", next: 4, head: 0 });
    stop.abort();
    await done.catch(() => {});
  });

  it("ends a consumer, which says what is wrong and what to do", async () => {
    const store = open();
    await store.space("orders").segment("a").append([one, one, one]);
    await store.cursors.commit("billing", { orders: 120 });
    const consumer = store.consumer({ name: "billing", spaces: ["orders", "empty"], handler: () => {} });
    const error = await consumer.run().catch((thrown) => thrown);
    expect(error).toMatchObject({ name: "StreamkitError", reason: "POSITION_BEYOND_HEAD", retryable: false });
    expect(error.message).toMatch(
      /cursor "billing" is beyond the head: at offset 120 of space "orders", whose last offset is 3\..*cursors\.delete.*"wait"/,
    );
    expect(consumer.state).toEqual({ name: "ended", reason: error });
    expect((await consumer.lag()).get("orders")).toBe(-117);
  });

  it("does not end a consumer that is at the head, or whose spaces are empty", async () => {
    const store = open();
    await store.space("orders").segment("a").append([one, one, one]);
    await store.cursors.commit("billing", { orders: 3 });
    const { until, names, onStateChange } = listen<ConsumerState>();
    const consumer = store.consumer({ name: "billing", spaces: ["orders", "empty"], handler: () => {}, onStateChange });
    const running = consumer.run();
    await until("caughtUp");
    await consumer.stop();
    await running;
    expect(names()).toEqual(["connecting", "live", "caughtUp", "ended"]);
  });

  it("lets a consumer wait that was told to", async () => {
    const store = open();
    await store.cursors.commit("billing", { orders: 2 });
    const seen: number[] = [];
    const { until, onStateChange } = listen<ConsumerState>();
    const consumer = store.consumer({
      name: "billing",
      spaces: ["orders"],
      beyondHead: "wait",
      handler: ({ offset }) => void seen.push(offset),
      onStateChange,
    });
    const running = consumer.run();
    await until("beyondHead");
    await store.space("orders").segment("a").append([one, one, one]);
    await expect.poll(() => seen).toEqual([3]);
    await consumer.stop();
    await running;
  });

  it("ends a consumer that runs when the store is made anew behind it", async () => {
    const before = await startServer();
    await using proxy = await flakyProxy(before.listener.port);
    const store = open(undefined, proxy.url);
    await store.space("orders").segment("a").append([one, one, one]);
    const { names, until, onStateChange } = listen<ConsumerState>();
    const consumer = store.consumer({
      name: "billing",
      spaces: ["orders"],
      handler: () => {},
      // The consumer does not commit its progress again: the cursor is gone, too, which would be another error.
      commitInterval: Number.POSITIVE_INFINITY,
      commitCount: 3,
      onStateChange,
    });
    const running = consumer.run();
    await expect.poll(() => consumer.metrics.commits).toBe(1);
    await until("caughtUp");
    breakOff(proxy);
    await before[Symbol.asyncDispose]();
    proxy.target = server.listener.port;
    await expect(running).rejects.toMatchObject({ reason: "POSITION_BEYOND_HEAD" });
    expect(names()).toEqual(expect.arrayContaining(["caughtUp", "retrying", "beyondHead", "ended"]));
  });
});

describe("a consumer", () => {
  it("tells that it reconnects, and stays the active one", async () => {
    await using proxy = await flakyProxy(server.listener.port);
    const store = open(undefined, proxy.url);
    await store.space("orders").segment("a").publish(one);
    const { states, names, until, onStateChange } = listen<ConsumerState>();
    const consumer = store.consumer({ name: "c", spaces: ["orders"], handler: () => {}, onStateChange });
    expect([consumer.state, consumer.active]).toEqual([{ name: "idle" }, false]);
    const running = consumer.run();
    await expect.poll(() => consumer.metrics.commits).toBe(1);
    await until("caughtUp");
    breakOff(proxy);
    await until("retrying");
    expect([consumer.active, consumer.state]).toEqual([
      true,
      { name: "retrying", reason: expect.objectContaining({ reason: "CONNECTION_LOST" }), ...expectNumbers() },
    ]);
    proxy.target = server.listener.port;
    await until("caughtUp");
    await consumer.stop();
    await running;
    expect(states.at(-1)).toEqual({ name: "ended", reason: undefined });
    expect(names().slice(0, 4)).toEqual(["connecting", "live", "caughtUp", "retrying"]);
    expect(consumer.active).toBe(false);
  });
});

function expectNumbers() {
  return { attempt: expect.any(Number), delayMillis: expect.any(Number) };
}
