/**
 * SubscribeToSegmentStatus: snapshot, mark, changes, on one instance and across instances, for fast and slow
 * subscribers.
 */
import { randomUUID } from "node:crypto";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, type SegmentStatus } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { endInstances, type Instance, makeInstance } from "./instance.ts";

const space = "inventory";
const payload = Buffer.from("x");

let storeId: string;
let instances: Instance[];

beforeEach(() => {
  storeId = randomUUID();
  instances = [];
});

afterEach(() => endInstances(instances));

function start(count: number): Instance[] {
  const storage = memoryStorage({ shared: count > 1 });
  instances = Array.from({ length: count }, () => makeInstance(storage, { pollMillis: 20 }));
  return instances;
}

function append({ stream }: Instance, segment: string, count = 1, fencingToken?: bigint) {
  const records = Array.from({ length: count }, () => ({ payload }));
  return stream.append({ storeId, space, appends: [{ segment, records, ...(fencingToken && { fencingToken }) }] });
}

interface Watch {
  /** All events: "segment first-last" for a status, "complete", "heartbeat". */
  readonly events: string[];
  /** The latest status of each segment. */
  readonly latest: Map<string, SegmentStatus>;
  readonly complete: Promise<void>;
  readonly ended: Promise<ErrorReason | undefined>;
  stop(): void;
}

function watch({ stream }: Instance, filter: { segment?: string; segmentPrefix?: string } = {}): Watch {
  const events: string[] = [];
  const latest = new Map<string, SegmentStatus>();
  const complete = Promise.withResolvers<void>();
  const stop = new AbortController();
  const ended = (async () => {
    try {
      const request = { storeId, space, ...filter, heartbeatInterval: { seconds: 0n, nanos: 100_000_000 } };
      for await (const { event } of stream.subscribeToSegmentStatus(request, { signal: stop.signal })) {
        if (event.case === "status") {
          const { segment, firstSequence, lastSequence } = event.value;
          events.push(`${segment} ${firstSequence}-${lastSequence}`);
          latest.set(segment, event.value);
        } else if (event.case === "snapshotComplete") {
          events.push("complete");
          complete.resolve();
        } else {
          events.push("heartbeat");
        }
      }
    } catch (error) {
      return ConnectError.from(error).findDetails(ErrorDetailSchema)[0]?.reason;
    }
    return undefined;
  })();
  return { events, latest, complete: complete.promise, ended, stop: () => stop.abort() };
}

/** Events without heartbeats. */
const news = ({ events }: Watch) => events.filter((event) => event !== "heartbeat");

describe.each([
  ["on the instance that writes", 1],
  ["on another instance", 2],
])("a subscriber %s", (_, count) => {
  it("gets the states of all segments, a mark, and every change that follows", async () => {
    const [writer, reader = writer] = start(count);
    await append(writer, "a", 3);
    await append(writer, "b");
    await append(writer, "gone");
    await writer.stream.deleteSegment({ storeId, space, segment: "gone" });
    const watched = watch(reader);
    await watched.complete;
    expect(watched.events).toEqual(["a 1-3", "b 1-1", "complete"]);
    await append(writer, "b");
    await expect.poll(() => news(watched).at(-1)).toBe("b 1-2");
    await append(writer, "new");
    await expect.poll(() => news(watched).at(-1)).toBe("new 1-1");
    await writer.stream.trimSegment({ storeId, space, segment: "a", beforeSequence: 3n });
    await expect.poll(() => news(watched).at(-1)).toBe("a 3-3");
    await writer.stream.deleteSegment({ storeId, space, segment: "b" });
    await expect.poll(() => news(watched).at(-1)).toBe("b 3-2");
    // The background removal of rows changes nothing that a status shows.
    await writer.settle(storeId);
    await append(writer, "a");
    await expect.poll(() => news(watched).at(-1)).toBe("a 3-4");
    expect(news(watched)).toEqual([
      ...["a 1-3", "b 1-1", "complete"],
      ...["b 1-2", "new 1-1", "a 3-3", "b 3-2", "a 3-4"],
    ]);
    watched.stop();
    await watched.ended;
  });

  it("of one segment, or of a prefix, gets no other changes", async () => {
    const [writer, reader = writer] = start(count);
    await append(writer, "bin-1");
    const one = watch(reader, { segment: "bin-2" });
    const some = watch(reader, { segmentPrefix: "bin-" });
    await Promise.all([one.complete, some.complete]);
    expect(one.events).toEqual(["bin-2 0-0", "complete"]);
    expect(some.events).toEqual(["bin-1 1-1", "complete"]);
    await append(writer, "box-1");
    await append(writer, "bin-1");
    await append(writer, "bin-2", 2);
    await expect.poll(() => news(one).at(-1)).toBe("bin-2 1-2");
    await expect.poll(() => news(some).at(-1)).toBe("bin-2 1-2");
    expect(news(one)).toEqual(["bin-2 0-0", "complete", "bin-2 1-2"]);
    expect([...some.latest.keys()]).toEqual(["bin-1", "bin-2"]);
    one.stop();
    some.stop();
    await Promise.all([one.ended, some.ended]);
  });

  it("learns of the deletion of a whole space, segment by segment, and of later appends", async () => {
    const [writer, reader = writer] = start(count);
    for (const segment of ["a", "b", "c"]) await append(writer, segment, 2);
    const watched = watch(reader);
    await watched.complete;
    await writer.stream.deleteSpace({ storeId, space });
    await expect.poll(() => [...watched.latest.values()].map((status) => status.firstSequence)).toEqual([3n, 3n, 3n]);
    await append(writer, "b");
    await expect.poll(() => news(watched).at(-1)).toBe("b 3-3");
    watched.stop();
    await watched.ended;
  });

  it("gets no status for a new fencing token, and a heartbeat when nothing happens", async () => {
    const [writer, reader = writer] = start(count);
    await append(writer, "a", 1, 1n);
    const watched = watch(reader);
    await watched.complete;
    await writer.stream.append({
      storeId,
      space,
      appends: [
        { segment: "a", fencingToken: 7n },
        { segment: "b", records: [{ payload }] },
      ],
    });
    await expect.poll(() => watched.events.slice(-2)).toEqual(["b 1-1", "heartbeat"]);
    expect(news(watched)).toEqual(["a 1-1", "complete", "b 1-1"]);
    watched.stop();
    await watched.ended;
  });

  it("that is slow gets the latest state of each segment only", async () => {
    const [writer, reader = writer] = start(count);
    await append(writer, "a");
    const request = { storeId, space };
    const stream = reader.stream.subscribeToSegmentStatus(request)[Symbol.asyncIterator]();
    const next = async () => (await stream.next()).value?.event;
    expect(await next()).toMatchObject({ case: "status" });
    expect(await next()).toMatchObject({ case: "snapshotComplete" });
    for (let round = 0; round < 300; round++) await append(writer, `s${round % 3}`);
    let events = 0;
    const last = new Map<string, bigint>();
    while ([...last.values()].reduce((sum, sequence) => sum + sequence, 0n) < 300n) {
      const event = await next();
      if (event?.case !== "status") continue;
      events++;
      expect(event.value.lastSequence).toBeGreaterThan(last.get(event.value.segment) ?? 0n);
      last.set(event.value.segment, event.value.lastSequence);
    }
    expect([...last]).toEqual(
      expect.arrayContaining([
        ["s0", 100n],
        ["s1", 100n],
        ["s2", 100n],
      ]),
    );
    expect(events).toBeLessThan(count === 1 ? 30 : 100);
    await stream.return?.();
  });
});

/** A storage whose range reads wait for `mayScan`. */
function heldScans(inner: Storage, mayScan: () => Promise<void>): Storage {
  return changedStorage(inner, (store) => ({
    async *scan(...args) {
      await mayScan();
      yield* store.scan(...args);
    },
  }));
}

describe("a subscription", () => {
  it("never gets an older status after a newer one, even if another instance writes during its snapshot", async () => {
    const shared = memoryStorage({ shared: true });
    let gate: PromiseWithResolvers<void> | undefined;
    const asked = Promise.withResolvers<void>();
    const storage = heldScans(shared, async () => {
      if (gate === undefined) return;
      asked.resolve();
      await gate.promise;
    });
    // The next poll would hide the fault, so this instance polls too rarely to interfere.
    const [other, own] = [makeInstance(shared), makeInstance(storage, { pollMillis: 3_600_000 })];
    instances = [other, own];
    await append(own, "a");
    gate = Promise.withResolvers<void>();
    const watched = watch(own);
    await asked.promise;
    await append(own, "a");
    await append(other, "a");
    gate.resolve();
    gate = undefined;
    await watched.complete;
    await append(own, "b");
    await expect.poll(() => news(watched)).toContain("b 1-1");
    expect(news(watched)).not.toContain("a 1-2");
    expect(watched.latest.get("a")?.lastSequence).toBe(3n);
    watched.stop();
    await watched.ended;
  });

  it("ends with NOT_FOUND when its store is deleted, here or elsewhere", async () => {
    const [a, b] = start(2);
    await append(a, "a");
    const watches = [watch(a), watch(b)];
    await Promise.all(watches.map(({ complete }) => complete));
    await a.stores.deleteStore({ storeId });
    expect(await Promise.all(watches.map(({ ended }) => ended))).toEqual([
      ErrorReason.NOT_FOUND,
      ErrorReason.NOT_FOUND,
    ]);
  });

  it("is refused for a segment and a prefix at once, and for invalid names", async () => {
    const [a] = start(1);
    for (const filter of [{ segment: "a", segmentPrefix: "b" }, { segment: "a\n" }, { segmentPrefix: "\u0000" }]) {
      expect(await watch(a, filter).ended).toBe(ErrorReason.INVALID_FIELD);
    }
  });

  it("of a missing store is empty, creates nothing, and gets the first append", async () => {
    const [a, b] = start(2);
    const watched = watch(b);
    await watched.complete;
    expect((await a.stores.listStores({})).stores).toEqual([]);
    await append(a, "a");
    await expect.poll(() => news(watched)).toEqual(["complete", "a 1-1"]);
    watched.stop();
    await watched.ended;
  });
});
