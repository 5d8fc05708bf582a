import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { flakyProxy } from "../../../conformance/src/lab/flaky-proxy.ts";
import { createStreamkitClient } from "../src/index.ts";
import { createWebSocketTransport } from "../src/websocket.ts";
import { type RunningServer, startServer } from "./peers.ts";

const RETRY = { initialDelayMillis: 5, maxDelayMillis: 50, maxAttempts: 1_000 };

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const numbered = (i: number) => new TextEncoder().encode(String(i));
const number = (payload: Uint8Array) => Number(new TextDecoder().decode(payload));

test("50 follows share one socket with writers, and go on when it is cut", async () => {
  await using proxy = await flakyProxy(server.listener.port);
  using transport = createWebSocketTransport({ baseUrl: proxy.url });
  const space = createStreamkitClient({ transport, retry: RETRY }).store(randomUUID()).space("s");
  const segments = Array.from({ length: 50 }, (_, i) => space.segment(`s${i}`));
  const atHead: Promise<void>[] = [];
  const seen = segments.map(() => [] as number[]);
  const follows = segments.map(async (segment, at) => {
    const head = Promise.withResolvers<void>();
    atHead.push(head.promise);
    for await (const { payload } of segment.follow({ limit: 6, onCaughtUp: () => head.resolve() })) {
      seen[at].push(number(payload));
    }
  });
  await Promise.all(atHead);
  expect(proxy.accepted).toBe(1);
  for (let round = 0; round < 6; round++) {
    if (round === 3) {
      proxy.cut();
      // The entries of the second half arrive on another socket.
      await expect.poll(() => proxy.accepted).toBe(2);
    }
    await Promise.all(segments.map((segment) => segment.publish(numbered(round))));
  }
  await Promise.all(follows);
  for (const each of seen) expect(each).toEqual([0, 1, 2, 3, 4, 5]);
  expect(proxy.accepted).toBe(2);
});

test("a consumer that stands still in a large read holds up no other call, and reads on", async () => {
  await using proxy = await flakyProxy(server.listener.port);
  using transport = createWebSocketTransport({ baseUrl: proxy.url });
  const space = createStreamkitClient({ transport }).store(randomUUID()).space("s");
  const large = space.segment("large");
  const count = 40;
  for (let i = 0; i < count; i++) await large.publish(new Uint8Array(900_000).fill(i));
  const entries = large.consume()[Symbol.asyncIterator]();
  await entries.next();
  for (let i = 0; i < 20; i++) await space.segment("small").publish(numbered(i));
  let read = 1;
  for (let next = await entries.next(); !next.done; next = await entries.next()) {
    expect(next.value.payload[0]).toBe(read++);
  }
  expect(read).toBe(count);
});

test("a record of the largest size, and one call whose request takes many frames", async () => {
  using transport = createWebSocketTransport({ baseUrl: server.listener.url });
  const { limits } = await createStreamkitClient({ transport }).serverInfo();
  const segment = createStreamkitClient({ transport }).store(randomUUID()).space("s").segment("a");
  await segment.publish(new Uint8Array(limits.maxRecordBytes).fill(7));
  const records = Array.from({ length: 7 }, (_, i) => new Uint8Array(140_000).fill(i));
  await segment.append(records);
  const sizes: number[] = [];
  for await (const { payload } of segment.consume()) sizes.push(payload.length);
  expect(sizes).toEqual([limits.maxRecordBytes, ...records.map(({ length }) => length)]);
});

test("a server that shuts down: calls that are open end, and the client goes on with the next server", async () => {
  const first = await startServer();
  await using proxy = await flakyProxy(first.listener.port);
  using transport = createWebSocketTransport({ baseUrl: proxy.url });
  const reasons: string[] = [];
  const client = createStreamkitClient({
    transport,
    retry: RETRY,
    onRetry: ({ error }) => reasons.push((error as { reason?: string }).reason ?? ""),
  });
  const segment = client.store(randomUUID()).space("s").segment("a");
  await segment.publish(numbered(1));
  proxy.target = server.listener.port;
  await first[Symbol.asyncDispose]();
  expect(await segment.publish(numbered(2))).toMatchObject({ firstSequence: 1 });
  for (const reason of reasons) expect(["CONNECTION_LOST", "SHUTTING_DOWN"]).toContain(reason);
});
