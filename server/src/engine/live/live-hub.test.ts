import { create, toBinary } from "@bufbuild/protobuf";
import { EntryBatchSchema } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EncodedBatch } from "../rows/batch.ts";
import { LiveFeed, LiveHub } from "./live-hub.ts";

const KIB = 1024;

/** A batch of `count` entries with about `bytes` bytes in total. */
function batch(first: number, count: number, bytes = 0, segment = "s"): EncodedBatch {
  const records = Array.from({ length: count }, () => ({ payload: new Uint8Array(Math.floor(bytes / count)) }));
  const header = {
    segment,
    firstSequence: first,
    firstOffset: first + 100,
    count,
    commitTimeMicros: 1,
    transactionId: "",
    transactionNumber: 1,
  };
  return new EncodedBatch("space", header, toBinary(EntryBatchSchema, create(EntryBatchSchema, { records })));
}

describe("a live feed", () => {
  it("has nothing before the first publication", () => {
    const feed = new LiveFeed("sequence");
    expect(feed.read(1, KIB)).toBeUndefined();
    expect(feed.published).toBe(0);
  });

  it("serves every position from its start, and none before it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
        (start, counts) => {
          const feed = new LiveFeed("sequence");
          let next = start;
          for (const count of counts) {
            feed.publish(batch(next, count));
            next += count;
          }
          expect(feed.published).toBe(next - 1);
          expect(feed.read(start - 1, KIB)).toBeUndefined();
          expect(feed.read(next, KIB)).toEqual([]);
          for (let position = start; position < next; position++) {
            const found = feed.read(position, Number.POSITIVE_INFINITY) as EncodedBatch[];
            expect(found[0].firstSequence <= position && position <= found[0].lastSequence).toBe(true);
            expect(found.at(-1)?.lastSequence).toBe(next - 1);
          }
        },
      ),
    );
  });

  it("reads about the requested bytes, and at least one batch", () => {
    const feed = new LiveFeed("sequence");
    for (let i = 1; i <= 10; i++) feed.publish(batch(i, 1, 10 * KIB));
    expect(feed.read(1, 1)).toHaveLength(1);
    expect(feed.read(1, 25 * KIB)).toHaveLength(3);
  });

  it("drops the oldest batches beyond 4 MiB, and no longer serves them (G10)", () => {
    const feed = new LiveFeed("offset");
    for (let i = 0; i < 100; i++) feed.publish(batch(1 + i * 2, 2, 100 * KIB));
    expect(feed.read(101, KIB)).toBeUndefined();
    const oldest = Array.from({ length: 200 }, (_, i) => 101 + i).find(
      (position) => feed.read(position, KIB) !== undefined,
    ) as number;
    expect(300 - oldest + 1).toBeGreaterThanOrEqual(70);
    expect(300 - oldest + 1).toBeLessThanOrEqual(82);
    for (let position = oldest; position <= 300; position++) {
      const [first] = feed.read(position, 1) as EncodedBatch[];
      expect(first.firstOffset <= position && position <= first.lastOffset).toBe(true);
    }
  });

  it("drops the oldest batches beyond its number, repeatedly", () => {
    const feed = new LiveFeed("sequence");
    for (let i = 1; i <= 30_000; i++) feed.publish(batch(i, 1));
    expect(feed.read(30_000 - 8_192, KIB)).toBeUndefined();
    expect(feed.read(30_000 - 8_191, 1)?.[0].firstSequence).toBe(30_000 - 8_191);
  });

  it("after a reset serves only later batches", () => {
    const feed = new LiveFeed("sequence");
    feed.publish(batch(1, 3));
    feed.reset();
    for (let position = 1; position <= 3; position++) expect(feed.read(position, KIB)).toBeUndefined();
    feed.publish(batch(9, 1));
    expect(feed.read(4, KIB)).toBeUndefined();
    expect(feed.read(9, KIB)).toHaveLength(1);
  });

  it("wakes every waiting follower once, and no other", () => {
    const feed = new LiveFeed("sequence");
    const woken: string[] = [];
    feed.onWake(() => woken.push("a"));
    const cancel = feed.onWake(() => woken.push("b"));
    cancel();
    feed.wake();
    feed.wake();
    expect(woken).toEqual(["a"]);
  });
});

describe("a live hub", () => {
  it("gives each follower its own segment, and those of the space everything", () => {
    const hub = new LiveHub();
    using space = hub.subscribeToSpace();
    using a = hub.subscribeToSegment("a");
    let woken = 0;
    a.feed.onWake(() => woken++);
    hub.publish([batch(1, 1, 0, "b")]);
    expect(woken).toBe(0);
    hub.publish([batch(2, 1, 0, "b"), batch(3, 1, 0, "a")]);
    expect(woken).toBe(1);
    expect(a.feed.read(3, KIB)?.map((b) => b.segment)).toEqual(["a"]);
    expect(space.feed.read(101, KIB)).toHaveLength(3);
    expect(hub.followers).toBe(2);
  });

  it("keeps a feed while it has followers", () => {
    const hub = new LiveHub();
    const first = hub.subscribeToSegment("s");
    const second = hub.subscribeToSegment("s");
    hub.publish([batch(1, 1)]);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(hub.followers).toBe(1);
    expect(hub.subscribeToSegment("s").feed).toBe(second.feed);
    second[Symbol.dispose]();
    expect(hub.followers).toBe(1);
  });
});
