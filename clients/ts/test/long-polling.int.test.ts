/** Reads through a real proxy that holds responses back until their end, so that streams do not arrive. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { levelStorage } from "@streamkit/server";
import { expect, test } from "vitest";
import { type ClientOptions, createStreamkitClient, json } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import type { RetryEvent } from "../src/retry/backoff.ts";
import { createWebTransport } from "../src/web.ts";
import { bufferingProxy } from "./buffering-proxy.ts";
import { startServer } from "./peers.ts";

const RETRY = { initialDelayMillis: 5, maxDelayMillis: 50, maxAttempts: 1_000 };
/** A stream is doubted after a sixth of this. */
const TIMEOUT_MILLIS = 3_000;
const TRANSPORTS = {
  "Node.js": (baseUrl: string) => createNodeTransport({ baseUrl, httpVersion: "1.1" }),
  "Node.js, JSON": (baseUrl: string) => createNodeTransport({ baseUrl, httpVersion: "1.1", json: true }),
  fetch: (baseUrl: string) => createWebTransport({ baseUrl }),
};

function storeAt(url: string, options: Partial<ClientOptions> = {}) {
  const transport = TRANSPORTS["Node.js"](url);
  const client = createStreamkitClient({ transport, retry: RETRY, timeoutMillis: TIMEOUT_MILLIS, ...options });
  return client.store(randomUUID()).withCodec(json<number>());
}

/** The next `count` values of an iterator. */
async function take<T>(entries: AsyncIterator<{ value: T }>, count: number): Promise<T[]> {
  const values: T[] = [];
  while (values.length < count) values.push((await entries.next()).value.value);
  return values;
}

test.each(Object.keys(TRANSPORTS))("a follow behind a proxy that buffers goes on by itself (%s)", async (name) => {
  await using server = await startServer();
  await using proxy = await bufferingProxy(server.listener.port);
  const events: RetryEvent[] = [];
  const transport = TRANSPORTS[name as keyof typeof TRANSPORTS](proxy.url);
  const store = storeAt(proxy.url, { transport, onRetry: (event) => events.push(event) });
  const segment = store.space("s").segment("a");
  const states: string[] = [];
  await segment.append([1, 2]);

  await using entries = segment.follow({ onStateChange: ({ name }) => states.push(name) })[Symbol.asyncIterator]();
  expect(await take(entries, 2)).toEqual([1, 2]);
  const third = take(entries, 1);
  await expect.poll(() => states).toContain("caughtUp");
  await segment.append([3]);
  expect(await third).toEqual([3]);
  expect(states).toEqual(["connecting", "retrying", "live", "caughtUp"]);
  expect(events).toMatchObject([{ attempt: 1, delayMillis: 0, error: { reason: "CONNECTION_LOST" } }]);
  expect(events[0].error.message).toContain("a proxy on the way");

  // The stream was given up, and the client remembers: other reads lose no time.
  await expect.poll(() => proxy.open.get("ConsumeSegment")).toBe(0);
  await using others = store.space("s").follow({ limit: 3 })[Symbol.asyncIterator]();
  expect(await take(others, 3)).toEqual([1, 2, 3]);
  await using merged = store.follow({ spaces: { s: 0, t: 0 } })[Symbol.asyncIterator]();
  expect(await take(merged, 3)).toEqual([1, 2, 3]);
  const fourth = take(merged, 1);
  await store.space("t").segment("b").append([4]);
  expect(await fourth).toEqual([4]);
  expect(proxy.calls).not.toContain("ConsumeSpace");
  expect(events).toHaveLength(1);
});

test("a stream that arrives is not replaced", async () => {
  await using server = await startServer();
  await using proxy = await bufferingProxy(server.listener.port);
  proxy.passing = true;
  const segment = storeAt(proxy.url, { timeoutMillis: 60_000 }).space("s").segment("a");
  await segment.append([1]);
  await using entries = segment.follow()[Symbol.asyncIterator]();
  expect(await take(entries, 1)).toEqual([1]);
  const second = take(entries, 1);
  await segment.append([2]);
  expect(await second).toEqual([2]);
  expect(proxy.calls).not.toContain("ReadSegment");
});

test("without long polling, a follow behind such a proxy fails as one of a silent server", async () => {
  await using server = await startServer();
  await using proxy = await bufferingProxy(server.listener.port);
  const segment = storeAt(proxy.url, { longPolling: "never", timeoutMillis: 300, retry: { maxAttempts: 1 } })
    .space("s")
    .segment("a");
  await expect(segment.follow()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ reason: "CONNECTION_LOST" });
  expect(proxy.calls).not.toContain("ReadSegment");
});

test("bounds end a read by long polling as they end a stream", async () => {
  await using server = await startServer();
  const space = storeAt(server.listener.url, { longPolling: "always" }).space("s");
  const segment = space.segment("a");
  for (const value of [1, 2, 3, 4, 5]) await segment.append([value]);
  const all = async <T>(read: AsyncIterable<T>) => {
    const entries: T[] = [];
    for await (const entry of read) entries.push(entry);
    return entries;
  };
  const whole = await all(segment.consume());
  expect(whole.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5]);
  const third = { micros: whole[2].commitTimeMicros };
  for (const [options, expected] of [
    [{ maxSequence: 3 }, [1, 2, 3]],
    [{ limit: 2 }, [1, 2]],
    [{ last: 2, limit: 2 }, [4, 5]],
    [{ last: 2, maxSequence: 2 }, []],
    [{ maxTime: third }, [1, 2, 3]],
    [{ minTime: third, maxSequence: 5 }, [3, 4, 5]],
  ] as const) {
    expect((await all(segment.follow(options))).map(({ value }) => value)).toEqual(expected);
    expect((await all(segment.consume(options))).map(({ value }) => value)).toEqual(expected);
  }
  expect((await all(space.follow({ maxTime: third }))).map(({ value }) => value)).toEqual([1, 2, 3]);
  const refused = all(segment.follow({ minTime: third, maxTime: { micros: 1 } }));
  await expect(refused).rejects.toMatchObject({ reason: "INVALID_FIELD" });
});

test("a read by long polling ends at the head of its start, however fast others write", async () => {
  await using server = await startServer();
  const segment = storeAt(server.listener.url, { longPolling: "always" }).space("s").segment("a");
  await segment.append([1, 2, 3]);
  const seen: number[] = [];
  for await (const { value } of segment.consume()) {
    seen.push(value);
    await segment.append([9]);
  }
  expect(seen).toEqual([1, 2, 3]);
});

test("G8: restarts, trims and deletes meanwhile lose and repeat nothing that is retained", {
  timeout: 120_000,
}, async () => {
  const path = await mkdtemp(join(tmpdir(), "streamkit-polling-"));
  let server = await startServer(0, levelStorage({ path }));
  await using proxy = await bufferingProxy(server.listener.port);
  try {
    const space = storeAt(proxy.url).space("s");
    const [trimmed, deleted] = [space.segment("trimmed"), space.segment("deleted")];
    const seen: Record<string, number[]> = { trimmed: [], deleted: [], space: [] };
    const end = new AbortController();
    const reading = Promise.allSettled(
      Object.entries({ trimmed, deleted, space }).map(async ([name, read]) => {
        for await (const entry of read.follow({ signal: end.signal })) seen[name].push(entry.value);
      }),
    );
    const arrived = (value: number) =>
      expect
        .poll(() => Object.values(seen).map((one) => one.at(-1)), { timeout: 30_000 })
        .toEqual([value, value, value]);
    let value = 0;
    for (let round = 1; round <= 4; round++) {
      for (let i = 0; i < 25; i++) {
        value += 1;
        await trimmed.append([value]);
        await deleted.append([value]);
      }
      await arrived(value);
      await trimmed.trim({ beforeSequence: value });
      await deleted.delete();
      const { port } = server.listener;
      await server[Symbol.asyncDispose]();
      server = await startServer(port, levelStorage({ path }));
      proxy.target = server.listener.port;
    }
    end.abort();
    expect((await reading).map((one) => (one as PromiseRejectedResult).reason)).toMatchObject(
      Array.from({ length: 3 }, () => ({ reason: "CANCELED" })),
    );
    const upTo = Array.from({ length: value }, (_, i) => i + 1);
    expect(seen.trimmed).toEqual(upTo);
    expect(seen.deleted).toEqual(upTo);
    expect(seen.space).toEqual(upTo.flatMap((one) => [one, one]));
  } finally {
    await server[Symbol.asyncDispose]();
    await rm(path, { recursive: true });
  }
});

test("what is trimmed before it is read is left out, and the read goes on behind it", async () => {
  await using server = await startServer();
  const segment = storeAt(server.listener.url, { longPolling: "always" }).space("s").segment("a");
  for (const value of [1, 2, 3]) await segment.append([value]);
  await using entries = segment.follow({ limit: 6 })[Symbol.asyncIterator]();
  expect(await take(entries, 3)).toEqual([1, 2, 3]);
  // The read asks for nothing before it is asked for more.
  await segment.append([4, 5]);
  await segment.append([6, 7]);
  await segment.trim({ beforeSequence: 6 });
  expect(await take(entries, 2)).toEqual([6, 7]);
});

test("a store that is deleted ends reads by long polling with NOT_FOUND", async () => {
  await using server = await startServer();
  const store = storeAt(server.listener.url, { longPolling: "always" });
  const segment = store.space("s").segment("a");
  await segment.append([1]);
  let caughtUp = 0;
  const options = { heartbeatInterval: 500, onCaughtUp: () => void caughtUp++ };
  const reads = [
    segment.follow(options),
    store.space("s").follow(options),
    store.follow({ spaces: { s: 0 }, ...options }),
  ];
  const ends = Promise.allSettled(
    reads.map(async (read) => {
      for await (const _ of read);
    }),
  );
  await expect.poll(() => caughtUp).toBe(3);
  await store.delete();
  const reason = { reason: "NOT_FOUND" };
  expect(await ends).toMatchObject([{ reason }, { reason }, { reason }]);
});
