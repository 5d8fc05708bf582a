import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStreamkitClient, json, StreamkitError } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import { type RunningServer, startServer } from "./peers.ts";

// The regions between "readme" comments are the examples of README.md, word for word: the last test compares them.

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const storeId = randomUUID();
const orders = () => {
  const baseUrl = server.listener.url;
  // readme: connect
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
  const orders = client.store(storeId).space("orders").withCodec(json<{ type: string; total?: number }>());
  // readme: end
  return orders;
};

test("writes", async () => {
  const space = orders();
  // readme: write
  const order = space.segment("order-17");
  await order.publish({ type: "placed", total: 40 });

  // Several records, atomically, and only if nobody else wrote in between.
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
  const order = orders().segment("order-17");
  const seen: string[] = [];
  // readme: read
  for await (const entry of order.consume()) {
    seen.push(`${entry.sequence} ${entry.value.type}`);
  }

  // History first, then whatever is committed later, across restarts of the server.
  for await (const entry of order.follow({ minSequence: 3, onCaughtUp: () => seen.push("at the head") })) {
    seen.push(entry.value.type);
    if (entry.value.type === "closed") break; // frees the connection
  }
  // readme: end
  expect(seen).toEqual(["1 placed", "2 paid", "3 shipped", "4 closed", "shipped", "closed"]);
});

test("fails", async () => {
  const order = orders().segment("order-17");
  let actual: number | undefined;
  // readme: errors
  try {
    await order.publish({ type: "cancelled" }, { expectedLastSequence: 2 });
  } catch (error) {
    if (error instanceof StreamkitError && error.reason === "SEQUENCE_MISMATCH") {
      actual = error.actualLastSequence; // read what is new, decide again
    } else throw error;
  }
  // readme: end
  expect(actual).toBe(4);
});

test("the README has these examples, word for word", async () => {
  const source = await readFile(new URL(import.meta.url), "utf8");
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const regions = [...source.matchAll(/^( *)\/\/ readme: (?!end)(\w+)\n([\s\S]*?)^ *\/\/ readme: end$/gm)];
  expect(regions.map((region) => region[2])).toEqual(["connect", "write", "produce", "read", "errors"]);
  for (const [, indent, , code] of regions) {
    expect(readme).toContain(code.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
  }
});
