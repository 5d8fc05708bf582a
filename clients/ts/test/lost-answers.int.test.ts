/** Single calls whose answers are lost after the work is done. The client repeats them with one identity. */
import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createStreamkitClient, type StoreHandle } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";

const RETRY = { initialDelayMillis: 1, maxDelayMillis: 5, maxAttempts: 10 };
/** Answers that are still to be lost. */
let losses: number;
/** Requests that reached the server. */
let arrived: string[];
let store: StoreHandle;
let close: () => Promise<void>;

beforeEach(async () => {
  losses = 0;
  arrived = [];
  const streamkit = createStreamkit({
    storage: memoryStorage(),
    interceptors: [
      (next) => async (request) => {
        arrived.push(request.method.name);
        const answer = await next(request);
        if (losses-- <= 0) return answer;
        throw new ConnectError("the connection was lost", Code.Unavailable);
      },
    ],
  });
  const { url } = await streamkit.listen({ port: 0 });
  close = () => streamkit.close();
  store = createStreamkitClient({ transport: createNodeTransport({ baseUrl: url }), retry: RETRY }).store(randomUUID());
});
afterEach(() => close());

const bytes = (text: string) => new TextEncoder().encode(text);

async function payloads(): Promise<string[]> {
  const seen: string[] = [];
  for await (const { payload } of store.space("s").consume()) seen.push(new TextDecoder().decode(payload));
  return seen;
}

test.each([1, 3])(
  "an append to a segment is one transaction, however often its answer is lost (%i times)",
  async (times) => {
    losses = times;
    const result = await store
      .space("s")
      .segment("a")
      .append([bytes("1"), bytes("2")]);
    expect(arrived).toEqual(Array.from({ length: times + 1 }, () => "Append"));
    expect(result).toMatchObject({ firstSequence: 1, lastSequence: 2, deduplicated: true });
    expect(await payloads()).toEqual(["1", "2"]);
  },
);

test.each([1, 3])(
  "an append to a space is one transaction, however often its answer is lost (%i times)",
  async (times) => {
    losses = times;
    const segments = ["a", "b"];
    await store.space("s").append(segments.map((segment) => ({ segment, records: [bytes(segment)] })));
    expect(arrived).toEqual(Array.from({ length: times + 1 }, () => "Append"));
    expect(await payloads()).toEqual(["a", "b"]);
  },
);

test("an append with an expectation is not refused because of itself", async () => {
  losses = 1;
  const segment = store.space("s").segment("a");
  await segment.append([bytes("1")], { expectedLastSequence: 0 });
  losses = 1;
  await segment.publish(bytes("2"), { expectedLastSequence: 1 });
  expect(await payloads()).toEqual(["1", "2"]);
});

test("a lease is acquired once, and its holder has its token", async () => {
  losses = 1;
  const lease = await store.leases.acquire("key", "me", { ttl: 60_000 });
  expect(arrived).toEqual(["AcquireLease", "AcquireLease"]);
  expect(await store.leases.get("key")).toMatchObject({ holder: "me", fencingToken: lease.fencingToken });
  losses = 1;
  await store.leases.release(lease);
  expect(await store.leases.get("key")).toBeUndefined();
});

test("a trim and a deletion are done once", async () => {
  const segment = store.space("s").segment("a");
  await segment.append([bytes("1"), bytes("2")]);
  losses = 1;
  expect(await segment.trim({ beforeSequence: 2 })).toMatchObject({ firstSequence: 2, lastSequence: 2 });
  losses = 1;
  await segment.delete();
  expect(await payloads()).toEqual([]);
});

test("a commit of a cursor finds itself, and only itself", async () => {
  const { version } = await store.cursors.commit("c", { s: 1 });
  losses = 1;
  const own = await store.cursors.commit("c", { s: 2 }, { expectedVersion: version });
  expect(await store.cursors.get("c")).toEqual(own);
  // The same offsets from another committer are a conflict.
  const late = store.cursors.commit("c", { s: 2 }, { expectedVersion: version });
  await expect(late).rejects.toMatchObject({ reason: "CURSOR_CONFLICT" });
});
