import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStreamkitClient, json, StreamkitError } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import { Guard, startGuarded } from "./guarded-server.ts";
import { type RunningServer, startServer } from "./peers.ts";

// The regions between "readme" comments are the examples of README.md, word for word: the last test compares them.

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const storeId = randomUUID();
const open = () => {
  const baseUrl = server.listener.url;
  // readme: connect
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
  const store = client.store(storeId).withCodec(json<{ type: string; total?: number }>());
  const space = store.space("orders");
  // readme: end
  return { store, space };
};

test("sends tokens", async () => {
  const guard = new Guard();
  await using guarded = await startGuarded(guard);
  const transport = createNodeTransport({ baseUrl: guarded.listener.url });
  const login = { accessToken: async () => guard.issue() };
  // readme: token
  const client = createStreamkitClient({ transport, token: () => login.accessToken() });
  // readme: end
  await client.store(storeId).space("s").segment("a").publish(Uint8Array.of(1));
  guard.expireAll();
  expect((await client.store(storeId).space("s").segment("a").status()).lastSequence).toBe(1);
});

test("writes", async () => {
  const { space } = open();
  // readme: write
  const order = space.segment("order-17");
  await order.publish({ type: "placed", total: 40 });

  // Several records, atomically, and only if no other writer came in between.
  const { lastSequence } = await order.status();
  await order.append([{ type: "paid" }, { type: "shipped" }], { expectedLastSequence: lastSequence });

  // Several segments of one space, atomically.
  await space.append([
    { segment: "order-17", records: [{ type: "closed" }] },
    { segment: "open-orders", records: [{ type: "removed" }] },
  ]);
  // readme: end
  expect((await order.status()).lastSequence).toBe(4);

  const tenThousandEvents = Array.from({ length: 10_000 }, (_, total) => ({ type: "event", total }));
  // readme: produce
  const summary = await space.segment("import").produce(tenThousandEvents, {
    onAck: (result) => result.transactionNumber,
  });
  summary.records; // 10,000, all durable
  // readme: end
  expect(summary.records).toBe(10_000);
});

test("reads", async () => {
  const order = open().space.segment("order-17");
  const seen: string[] = [];
  // readme: read
  for await (const entry of order.consume()) {
    seen.push(`${entry.sequence} ${entry.value.type}`);
  }

  // History first, then all later commits, across restarts of the server.
  for await (const entry of order.follow({ minSequence: 3, onCaughtUp: () => seen.push("at the head") })) {
    seen.push(entry.value.type);
    if (entry.value.type === "closed") break; // frees the connection
  }
  // readme: end
  expect(seen).toEqual(["1 placed", "2 paid", "3 shipped", "4 closed", "shipped", "closed"]);
  // readme: pages
  const latest = await order.read({ backward: true, limit: 10 });
  if (!latest.caughtUp) await order.read({ backward: true, limit: 10, maxSequence: latest.next });

  const history = await order.load();
  const types = history.entries.map((entry) => entry.value.type);
  // order.append([...], { expectedLastSequence: history.lastSequence }) fails if another writer was faster.
  // readme: end
  expect(types).toEqual(["placed", "paid", "shipped", "closed"]);
  // readme: states
  const following = order.follow({
    minSequence: 5,
    onStateChange: (state) => {
      seen.push(state.name);
      if (state.name === "retrying") seen.push(state.reason.message);
    },
  });
  // readme: end
  const iterator = following[Symbol.asyncIterator]();
  void iterator.next();
  await expect.poll(() => seen.slice(-3)).toEqual(["connecting", "live", "caughtUp"]);
  await iterator.return();
});

test("fails", async () => {
  const order = open().space.segment("order-17");
  let actual: number | undefined;
  // readme: errors
  try {
    await order.publish({ type: "cancelled" }, { expectedLastSequence: 2 });
  } catch (error) {
    if (error instanceof StreamkitError && error.reason === "SEQUENCE_MISMATCH") {
      actual = error.actualLastSequence; // read the new entries, decide again
    } else throw error;
  }
  // readme: end
  expect(actual).toBe(4);
});

test("watches", async () => {
  const { space } = open();
  const seen: string[] = [];
  // readme: watch
  for await (const event of space.subscribe({ prefix: "order-" })) {
    if (event.kind === "status") seen.push(`${event.status.segment} ${event.status.lastSequence}`);
    if (event.kind === "live") break; // the snapshot is complete; changes would follow
  }
  // readme: end
  expect(seen).toEqual(["order-17 4"]);
});

test("consumes", async () => {
  const { store } = open();
  const send = async ({ type }: { type: string }, _: string) => {
    if (type === "shipped") throw new Error("no address");
  };
  // readme: consume
  const consumer = store.consumer({
    name: "mailer",
    spaces: ["orders"],
    exclusive: { ttl: 10_000 }, // one process at a time; others stand by
    handler: ({ space, offset, value }) => send(value, `${space}/${offset}`),
    onFailure: ({ attempt }) => (attempt < 3 ? "retry" : "park"),
    parking: { space: "parked" },
  });
  const running = consumer.run(); // rejects with an error that retries cannot mend
  // readme: end
  await expect.poll(() => consumer.metrics, { timeout: 20_000 }).toMatchObject({ handled: 10_004, parked: 1 });
  // readme: stop
  await consumer.stop(); // waits for running handlers, commits, gives the lease back
  await running;
  // readme: end
  expect((await store.cursors.get("mailer"))?.offsets.get("orders")).toBe(10_005);
});

test("takes turns, shows who is there, and remembers", async () => {
  const { store } = open();
  // readme: coordinate
  await store.withLease("nightly-report", 30_000, async (lease) => {
    // The append carries the fencing token. `lease.signal` fires before another holder can get the lease.
    await lease.store.space("reports").segment("daily").publish({ type: "report" });
  });

  const worker = store.presence("importers").join({ id: "importer-1", metadata: { host: "db3" } });
  await worker.joined;
  const ids = worker.workers.map(({ id }) => id);
  await worker.close();

  const cursor = await store.cursors.commit("audit", { orders: 120 }, { expectedVersion: 0 });
  cursor.offsets.get("orders"); // 120
  // readme: end
  expect(ids).toEqual(["importer-1"]);
  expect((await store.cursors.get("audit"))?.offsets.get("orders")).toBe(120);
  expect(await store.leases.get("nightly-report")).toBeUndefined();
});

test("the README has these examples, word for word", async () => {
  const source = await readFile(new URL(import.meta.url), "utf8");
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const regions = [...source.matchAll(/^( *)\/\/ readme: (?!end)(\w+)\n([\s\S]*?)^ *\/\/ readme: end$/gm)];
  expect(regions.map((region) => region[2])).toEqual([
    ...["connect", "token", "write", "produce", "read", "pages", "states", "errors"],
    ...["watch", "consume", "stop", "coordinate"],
  ]);
  for (const [, indent, , code] of regions) {
    expect(readme).toContain(code.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
  }
});
