import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { levelStorage } from "@streamkit/server";
import { expect, test } from "vitest";
import { flakyProxy } from "../../../conformance/src/lab/flaky-proxy.ts";
import { createStreamkitClient } from "../src/index.ts";
import { createNodeTransport, type NodeTransportOptions } from "../src/node.ts";
import { startServer } from "./peers.ts";

const RETRY = { initialDelayMillis: 5, maxDelayMillis: 50, maxAttempts: 1_000 };
const WAYS: Record<string, Omit<NodeTransportOptions, "baseUrl">> = {
  "gRPC, HTTP/2": {},
  "Connect, HTTP/2": { protocol: "connect" },
  WebSocket: { protocol: "websocket" },
  "Connect, HTTP/1.1": { httpVersion: "1.1" },
  "gRPC-Web, HTTP/1.1": { httpVersion: "1.1", protocol: "grpc-web" },
};
const numbered = (count: number) => Array.from({ length: count }, (_, i) => new TextEncoder().encode(String(i)));
const number = (payload: Uint8Array) => Number(new TextDecoder().decode(payload));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

for (const [name, way] of Object.entries(WAYS)) {
  test(`G7, G8: connections that are reset all the time lose and repeat nothing (${name})`, async () => {
    await using server = await startServer();
    await using proxy = await flakyProxy(server.listener.port);
    const transport = createNodeTransport({ ...way, baseUrl: proxy.url });
    let retries = 0;
    const client = createStreamkitClient({ transport, retry: RETRY, onRetry: () => (retries += 1) });
    const segment = client.store(randomUUID()).space("s").segment("a");
    // So that the version of HTTP is known, and the connections that are counted carry calls.
    await segment.status();
    proxy.cut();
    // An acknowledgement is some 100 bytes, so each connection ends after a few of them.
    proxy.cutAfter(1_000, 4);
    const count = 400;
    const summary = await segment.produce(numbered(count), { maxBatchRecords: 5 });
    expect(summary).toMatchObject({ records: count, transactions: count / 5 });
    // At least so many: on a slow machine further attempts may fail.
    expect(retries).toBeGreaterThanOrEqual(4);
    await segment.produce(numbered(4_000));
    const before = retries;
    // One failure when the connection at rest is found cut, three in the midst of some 40,000 bytes of entries.
    proxy.cut();
    proxy.cutAfter(20_000, 3);
    const seen: number[] = [];
    for await (const entry of segment.consume()) seen.push(number(entry.payload));
    expect(seen).toEqual([...upTo(count), ...upTo(4_000)]);
    expect(retries - before).toBeGreaterThanOrEqual(4);
  });
}

test("a half-open connection is noticed within two heartbeats, and the follow goes on", {
  timeout: 60_000,
}, async () => {
  await using server = await startServer();
  await using proxy = await flakyProxy(server.listener.port);
  for (const way of Object.values(WAYS)) {
    const transport = createNodeTransport({ ...way, baseUrl: proxy.url, pingTimeoutMillis: 200 });
    const store = randomUUID();
    const segment = createStreamkitClient({ transport, retry: RETRY }).store(store).space("s").segment("a");
    const direct = createStreamkitClient({ transport: createNodeTransport({ baseUrl: server.listener.url }) });
    const writer = direct.store(store).space("s").segment("a");
    await writer.publish(Uint8Array.of(1));
    const iterator = segment.follow({ heartbeatInterval: 150 })[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.sequence).toBe(1);
    proxy.freeze();
    await writer.publish(Uint8Array.of(2));
    const started = performance.now();
    expect((await iterator.next()).value?.sequence).toBe(2);
    // Two heartbeats and a ping are 500 ms; regular pings of an idle connection would find it after ten seconds.
    expect(performance.now() - started).toBeLessThan(5_000);
    await iterator.return();
  }
});

test("H8: a path that goes silent in the middle: reads without follow and productions go on over another", {
  timeout: 120_000,
}, async () => {
  await using server = await startServer();
  await using proxy = await flakyProxy(server.listener.port);
  for (const way of Object.values(WAYS)) {
    // Other tests find a dead HTTP/2 connection by pings. Here only the missing answer shows it.
    const transport = createNodeTransport({
      ...way,
      baseUrl: proxy.url,
      pingIntervalMillis: 600_000,
      pingTimeoutMillis: 100,
    });
    const retries: string[] = [];
    const client = createStreamkitClient({
      transport,
      retry: RETRY,
      timeoutMillis: 1_000,
      onRetry: ({ error }) => retries.push((error as { reason?: string }).reason ?? ""),
    });
    const segment = client.store(randomUUID()).space("s").segment("a");
    const kilobyte = (i: number) => new TextEncoder().encode(String(i).padStart(1_024));
    let frozen = false;
    const summary = await segment.produce(
      (function* () {
        for (let i = 0; i < 10_000; i++) {
          yield kilobyte(i);
          if (i !== 5_000 || frozen) continue;
          frozen = true;
          proxy.freeze();
        }
      })(),
      { maxBatchRecords: 100 },
    );
    expect(summary).toMatchObject({ records: 10_000 });
    expect(new Set(retries)).toEqual(new Set(["CONNECTION_LOST"]));
    retries.length = 0;
    const seen: number[] = [];
    for await (const batch of segment.consume().batches()) {
      if (seen.length === 0) proxy.freeze();
      for (const { payload } of batch) seen.push(number(payload));
    }
    expect(seen).toEqual(upTo(10_000));
    expect(new Set(retries)).toEqual(new Set(["CONNECTION_LOST"]));
  }
});

test.each([{}, { protocol: "websocket" }] as const)(
  "a server that goes away and comes back: producers and followers go on, once and in order (%o)",
  async (way) => {
    const folder = await mkdtemp(join(tmpdir(), "streamkit-client-"));
    let server = await startServer(0, levelStorage({ path: folder }));
    // The address stays, and no port has to be free twice.
    await using proxy = await flakyProxy(server.listener.port);
    const transport = createNodeTransport({ ...way, baseUrl: proxy.url });
    const space = createStreamkitClient({ transport, retry: RETRY }).store(randomUUID()).space("s");
    const segment = space.segment("a");
    try {
      const total = 300;
      let restarts = 0;
      let restarting: Promise<void> | undefined;
      const restart = async () => {
        restarts += 1;
        proxy.target = undefined;
        await server[Symbol.asyncDispose]();
        server = await startServer(0, levelStorage({ path: folder }));
        proxy.target = server.listener.port;
      };
      const produced = segment.produce(
        (async function* () {
          for (let i = 0; i < total; i++) {
            yield new TextEncoder().encode(String(i));
            if (i % 100 === 50) {
              await restarting;
              restarting = restart();
            }
            if (i % 10 === 0) await new Promise(setImmediate);
          }
        })(),
        { maxBatchRecords: 7 },
      );
      const seen: number[] = [];
      for await (const entry of space.follow({ limit: total })) seen.push(number(entry.payload));
      expect(seen).toEqual(upTo(total));
      expect(await produced).toMatchObject({ records: total });
      await restarting;
      expect(restarts).toBe(3);
    } finally {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    }
  },
);

test("nobody there: gives up after the attempts allowed, and says so", async () => {
  // No other test listens on a port of the system.
  const transport = createNodeTransport({ baseUrl: "http://127.0.0.1:1" });
  let retries = 0;
  const client = createStreamkitClient({
    transport,
    retry: { ...RETRY, maxAttempts: 3 },
    onRetry: () => (retries += 1),
  });
  const segment = client.store(randomUUID()).space("s").segment("a");
  const refused = { reason: "CONNECTION_LOST", code: "unavailable", retryable: true };
  await expect(segment.publish(new Uint8Array(1))).rejects.toMatchObject(refused);
  await expect(segment.produce([new Uint8Array(1)])).rejects.toMatchObject(refused);
  await expect(segment.consume()[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused);
  expect(retries).toBe(6);
});
