import { randomUUID } from "node:crypto";
import { LIMITS } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createStreamkitClient, json, StreamkitError, withMetadata } from "../src/index.ts";
import { type RunningServer, startServer, TRANSPORTS } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const text = (value: string) => new TextEncoder().encode(value);
const plain = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe.each(Object.keys(TRANSPORTS))("over %s", (name) => {
  const open = () => {
    const transport = TRANSPORTS[name](server);
    return createStreamkitClient({ transport, retry: { maxAttempts: 2 } }).store(randomUUID());
  };

  test("publishes, appends, peeks, consumes", async () => {
    const space = open().space("orders");
    const segment = space.segment("order/1 ü");
    expect(await segment.peek()).toBeUndefined();
    expect(await segment.publish(text("one"))).toMatchObject({
      firstSequence: 1,
      firstOffset: 1,
      transactionNumber: 1,
    });
    const result = await space.append([
      { segment: "other", records: [text("x")], expectedLastSequence: 0 },
      {
        segment: segment.name,
        records: [
          { payload: text("two"), metadata: { kind: "t" } },
          { payload: text(""), metadata: { only: "label" } },
        ],
      },
      { segment: "guard", expectedLastSequence: 0 },
    ]);
    expect(result.ranges).toEqual([
      { segment: "other", firstSequence: 1, lastSequence: 1, firstOffset: 2 },
      { segment: segment.name, firstSequence: 2, lastSequence: 3, firstOffset: 3 },
      { segment: "guard", firstSequence: 1, lastSequence: 0, firstOffset: 0 },
    ]);
    const latest = await segment.peek();
    expect([latest?.sequence, latest?.offset, latest?.metadata]).toEqual([3, 4, { only: "label" }]);
    expect(latest?.transactionId).toBe(result.transactionId);
    expect(latest?.commitTimeMicros).toBe(result.commitTimeMicros);

    const seen: unknown[] = [];
    for await (const entry of space.consume())
      seen.push([entry.segment, entry.sequence, entry.offset, plain(entry.payload)]);
    expect(seen).toEqual([
      [segment.name, 1, 1, "one"],
      ["other", 1, 2, "x"],
      [segment.name, 2, 3, "two"],
      [segment.name, 3, 4, ""],
    ]);
  });

  test("merges spaces by commit time, and follows them", async () => {
    const store = open();
    const [a, b] = [store.space("a").segment("x"), store.space("b").segment("x")];
    for (const word of ["1", "2"]) {
      await a.publish(text(word));
      await b.publish(text(word));
    }
    const read = async (options: Parameters<typeof store.consume>[0]) => {
      const seen: string[] = [];
      for await (const entry of store.consume(options)) seen.push(`${entry.space}${plain(entry.payload)}`);
      return seen;
    };
    expect(await read({ spaces: { a: 0, b: 2 } })).toEqual(["a1", "a2", "b2"]);
    const head = Promise.withResolvers<void>();
    const following = read({ spaces: { a: 0, b: 0 }, follow: true, limit: 5, onCaughtUp: () => head.resolve() });
    await head.promise;
    await b.publish(text("3"));
    expect(await following).toEqual(["a1", "b1", "a2", "b2", "b3"]);
    expect(await read({ spaces: { never: 0 } })).toEqual([]);
  });

  test("produces more than a transaction holds, and reads parts of it", async () => {
    const segment = open().space("s").segment("a");
    const count = 2 * LIMITS.maxTransactionRecords + 345;
    const summary = await segment.produce(Array.from({ length: count }, (_, i) => text(`record ${i}`)));
    expect(summary).toMatchObject({ records: count, firstSequence: 1, lastSequence: count });
    const sequences = async (options: Parameters<typeof segment.consume>[0]) => {
      const seen: number[] = [];
      for await (const entry of segment.consume(options)) {
        expect(plain(entry.payload)).toBe(`record ${entry.sequence - 1}`);
        seen.push(entry.sequence);
      }
      return seen;
    };
    expect(await sequences({})).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(await sequences({ minSequence: 999, maxSequence: 1_002n })).toEqual([999, 1_000, 1_001, 1_002]);
    expect(await sequences({ minSequence: 1_500, limit: 2 })).toEqual([1_500, 1_501]);
    expect(await sequences({ last: 3 })).toEqual([count - 2, count - 1, count]);
  });

  test("follows: history, then live, with a word at the head", async () => {
    const segment = open().space("s").segment("a").withCodec(json<{ n: number }>());
    await segment.append([{ n: 1 }, withMetadata({ n: 2 }, { label: "x" })]);
    const head = Promise.withResolvers<void>();
    const live = head.promise.then(async () => {
      await segment.publish({ n: 3 });
      await segment.publish({ n: 4 });
    });
    const seen: unknown[] = [];
    for await (const entry of segment.follow({ onCaughtUp: () => head.resolve() })) {
      seen.push([entry.sequence, entry.value, entry.metadata]);
      if (seen.length === 4) break;
    }
    await live;
    expect(seen).toEqual([
      [1, { n: 1 }, {}],
      [2, { n: 2 }, { label: "x" }],
      [3, { n: 3 }, {}],
      [4, { n: 4 }, {}],
    ]);
  });

  test("says why an append was refused", async () => {
    const segment = open().space("s").segment("a");
    await segment.publish(text("one"));
    const refused = await segment.publish(text("two"), { expectedLastSequence: 7 }).catch((error) => error);
    expect(refused).toBeInstanceOf(StreamkitError);
    expect(refused).toMatchObject({
      reason: "SEQUENCE_MISMATCH",
      code: "failed_precondition",
      retryable: false,
      segment: "a",
      expectedLastSequence: 7,
      actualLastSequence: 1,
    });
    const invalid = await open()
      .space("")
      .status()
      .catch((error) => error);
    expect(invalid).toMatchObject({ reason: "INVALID_FIELD", code: "invalid_argument" });
    expect(invalid.fieldViolations.map((violation: { field: string }) => violation.field)).toEqual(["space"]);
    const large = await segment.publish(new Uint8Array(LIMITS.maxRecordBytes + 1)).catch((error) => error);
    expect(large).toMatchObject({ reason: "RECORD_TOO_LARGE" });
    await segment.publish(new Uint8Array(LIMITS.maxRecordBytes));
    const produced = await segment.produce([text("x")], { expectedLastSequence: 9 }).catch((error) => error);
    expect(produced).toMatchObject({ reason: "SEQUENCE_MISMATCH", actualLastSequence: 2 });
  });

  test("the same transaction id writes once", async () => {
    const segment = open().space("s").segment("a");
    const transactionId = randomUUID();
    const first = await segment.publish(text("one"), { transactionId });
    expect(await segment.publish(text("one"), { transactionId })).toEqual({ ...first, deduplicated: true });
  });

  test("lists, tells the status, trims, deletes", async () => {
    const store = open();
    expect(await store.exists()).toBe(false);
    const space = store.space("s");
    for (const name of ["b", "a1", "a2"]) await space.segment(name).append([text("1"), text("2"), text("3")]);
    await store.space("t").segment("x").publish(text("1"));
    expect(await store.exists()).toBe(true);
    const names = async <T>(items: AsyncIterable<T>, name: (item: T) => string) => {
      const found: string[] = [];
      for await (const item of items) found.push(name(item));
      return found;
    };
    expect(await names(store.listSpaces(), (status) => status.space)).toEqual(["s", "t"]);
    expect(await names(space.listSegments({ pageSize: 1 }), (status) => status.segment)).toEqual(["a1", "a2", "b"]);
    expect(await names(space.listSegments({ prefix: "a" }), (status) => status.segment)).toEqual(["a1", "a2"]);
    const page = await space.listSegments({ pageSize: 2 }).page();
    expect([page.items.length, typeof page.nextPageToken]).toEqual([2, "string"]);
    expect(await space.status()).toMatchObject({ space: "s", firstOffset: 1, lastOffset: 9, segmentCount: 3 });
    expect(await space.segment("b").status()).toMatchObject({ firstSequence: 1, lastSequence: 3, lastOffset: 3 });
    expect(await space.segment("never").status()).toMatchObject({
      firstSequence: 0,
      lastSequence: 0,
      lastTime: undefined,
    });
    expect(await space.segment("b").trim({ beforeSequence: 3 })).toMatchObject({ firstSequence: 3, lastSequence: 3 });
    await space.segment("b").delete();
    expect(await names(space.listSegments(), (status) => status.segment)).toEqual(["a1", "a2"]);
    await space.delete();
    expect(await names(store.listSpaces(), (status) => status.space)).toEqual(["t"]);
    await store.delete();
    expect(await store.exists()).toBe(false);
  });

  test("a signal ends a follow at once", async () => {
    const controller = new AbortController();
    const segment = open().space("s").segment("a");
    const reading = (async () => {
      for await (const _ of segment.follow({ signal: controller.signal, onCaughtUp: () => controller.abort() }));
    })();
    await expect(reading).rejects.toMatchObject({ reason: "CANCELED" });
  });
});

test("tells what the server is", async () => {
  const info = await createStreamkitClient({ transport: TRANSPORTS["gRPC, HTTP/2"](server) }).serverInfo();
  expect(info).toMatchObject({ storage: "memory", limits: LIMITS, dedupeWindowMillis: 600_000 });
  expect(info.capabilities).toContain("produce");
});
