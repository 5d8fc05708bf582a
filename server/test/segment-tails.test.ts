/** Pages of segments that are kept in memory: every answer must be that of a server without the cache. */
import { randomUUID } from "node:crypto";
import type { EntryBatch } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { takeAllCaches } from "./caches.ts";
import { endInstances, type Instance, makeInstance, withLimits } from "./instance.ts";
import { type Bounds, checkSegmentPage, checkSpace, entriesOf } from "./space-checks.ts";
import { bounds, boundsOf, History, SEGMENTS, write } from "./space-history.ts";
import { type ModelEntry, SpaceModel } from "./space-model.ts";

const RUNS = Number(process.env.RUNS ?? 25);

const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("group" as const),
      writes: fc.array(write, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant("read" as const), segment: fc.constantFrom(...SEGMENTS), bounds }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "take caches" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "delete store" as const }) },
);

const setting = fc.record({
  commands: fc.array(command, { minLength: 1, maxLength: 30 }),
  threshold: fc.constantFrom(Number.POSITIVE_INFINITY, 0, 350),
});
type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

const EVERYTHING: Bounds = { min: 0, max: 0, minTime: 0, maxTime: 0, limit: 0, last: 0 };

async function play(storage: Storage, { commands }: Setting, count: number): Promise<void> {
  const instances = Array.from({ length: count }, () => makeInstance(storage));
  let history = new History(new SpaceModel());
  const { storeId, space } = history;
  for (const [step, c] of commands.entries()) {
    const at = step % count;
    const { model } = history;
    if (c.kind === "group") {
      await writeWhileReading(instances, at, history, c.writes);
    } else if (c.kind === "read") {
      const wanted = boundsOf(c.bounds, model.segment(c.segment).last, model);
      const place = { storeId, space, segment: c.segment };
      for (const instance of instances) {
        // The second read of a segment fills the cache, and further ones use it.
        for (const each of [EVERYTHING, EVERYTHING, wanted, EVERYTHING]) {
          await checkSegmentPage(instance, place, model, each);
        }
      }
    } else if (c.kind === "take caches") {
      takeAllCaches();
    } else if (c.kind === "settle") {
      for (const each of instances) await each.settle(storeId);
    } else if (c.kind === "reopen") {
      await endInstances([instances[at]]);
      instances[at] = makeInstance(storage);
    } else {
      await instances[at].stores.deleteStore({ storeId });
      history = new History(new SpaceModel(), storeId);
      // The other instance learns of the deletion with its next read, also if that read is for entries in memory.
      for (const instance of instances) {
        for (const segment of SEGMENTS)
          await checkSegmentPage(instance, { storeId, space, segment }, history.model, EVERYTHING);
      }
    }
  }
  for (const instance of instances) {
    for (const _ of [1, 2, 3]) {
      for (const segment of SEGMENTS)
        await checkSegmentPage(instance, { storeId, space, segment }, history.model, EVERYTHING);
    }
    await checkSpace(instance, { storeId, space }, history.model, SEGMENTS);
  }
  await endInstances(instances);
}

/** Writes, and reads all segments at all instances at the same time. */
async function writeWhileReading(
  instances: readonly Instance[],
  at: number,
  history: History,
  writes: Parameters<History["group"]>[1],
): Promise<void> {
  const { storeId, space, model } = history;
  const before = new Map(
    SEGMENTS.map((segment) => [segment, { entries: model.entriesOf(segment), last: model.segment(segment).last }]),
  );
  const reads = instances.flatMap((instance) =>
    SEGMENTS.map(async (segment) => ({
      segment,
      page: await instance.stream.readSegment({ storeId, space, segment }),
    })),
  );
  await history.group(instances[at], writes);
  for (const { segment, page } of await Promise.all(reads)) {
    const { entries = [], last = 0 } = before.get(segment) ?? {};
    checkOverlapping(space, page.batches, { entries, last }, history.model.entriesOf(segment));
  }
}

/** A read that overlaps commits sees the entries before them, or some of the commits too, and never a gap. */
function checkOverlapping(
  space: string,
  batches: EntryBatch[],
  before: { readonly entries: readonly ModelEntry[]; readonly last: number },
  after: readonly ModelEntry[],
): void {
  const known = new Map([...before.entries, ...after].map((entry) => [entry.sequence, entry]));
  const read = entriesOf(space, batches);
  for (const [index, { sequence, payload, offset }] of read.entries()) {
    const entry = known.get(sequence);
    // The group may have removed an entry of its own again.
    if (entry === undefined) expect(sequence).toBeGreaterThan(before.last);
    else expect({ payload, offset }).toEqual({ payload: entry.payload, offset: entry.offset });
    if (index > 0) expect(sequence).toBe(read[index - 1].sequence + 1);
  }
  // G5: entries that were committed before the read, and not trimmed during it.
  const kept = before.entries.filter((entry) => after.some(({ sequence }) => sequence === entry.sequence));
  expect(read.map(({ sequence }) => sequence)).toEqual(expect.arrayContaining(kept.map(({ sequence }) => sequence)));
}

describe("random histories with pages in memory", () => {
  it("of one instance obey the specification (G1, G5)", { timeout: 240_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(setting, (s) =>
        play(withLimits(memoryStorage(), { referenceThresholdBytes: s.threshold }), s, 1),
      ),
      { numRuns: RUNS },
    );
  });

  it("of two instances on one storage obey the specification (G1, G2, G5)", { timeout: 240_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(setting, (s) =>
        play(withLimits(memoryStorage({ shared: true }), { referenceThresholdBytes: s.threshold }), s, 2),
      ),
      { numRuns: RUNS },
    );
  });
});

/** A storage that counts the requests of reads. */
function counted(storage: Storage) {
  const counts = { requests: 0 };
  const counting = changedStorage(storage, (store) => ({
    get(...args) {
      counts.requests++;
      return store.get(...args);
    },
    scan(...args) {
      counts.requests++;
      return store.scan(...args);
    },
  }));
  return { counts, storage: counting };
}

const append = (instance: Instance, place: { storeId: string; space: string }, segments: string[]) =>
  instance.stream.append({ ...place, appends: segments.map((segment) => ({ segment, records: [{}] })) });

describe("a segment that is read again", () => {
  it.each([
    ["no request", false, 0],
    ["one request, for the head, on shared storage", true, 1],
  ])("costs %s", async (_, shared, expected) => {
    const { counts, storage } = counted(memoryStorage({ shared }));
    await using instance = makeInstance(storage);
    const place = { storeId: randomUUID(), space: "s" };
    const read = () => instance.stream.readSegment({ ...place, segment: "a" });
    for (let i = 0; i < 3; i++) await append(instance, place, ["a", "b"]);
    for (let i = 0; i < 2; i++) await read();
    await append(instance, place, ["b", "a"]);
    counts.requests = 0;
    const { batches } = await read();
    expect(batches.map(({ firstSequence }) => firstSequence)).toEqual([1n, 2n, 3n, 4n]);
    expect(counts.requests).toBe(expected);
  });

  it("leaves memory when its entries are trimmed or deleted", async () => {
    const { counts, storage } = counted(memoryStorage());
    await using instance = makeInstance(storage);
    const place = { storeId: randomUUID(), space: "s" };
    const read = async (segment: string) =>
      (await instance.stream.readSegment({ ...place, segment })).batches.map(({ firstSequence }) => firstSequence);
    const removals = {
      trimmed: () => instance.stream.trimSegment({ ...place, segment: "trimmed", beforeSequence: 2n }),
      deleted: () => instance.stream.deleteSegment({ ...place, segment: "deleted" }),
      all: () => instance.stream.deleteSpace(place),
    };
    for (const [segment, remove] of Object.entries(removals)) {
      for (let i = 0; i < 2; i++) await append(instance, place, [segment]);
      for (let i = 0; i < 3; i++) expect(await read(segment)).toEqual([1n, 2n]);
      await remove();
      counts.requests = 0;
      expect(await read(segment)).toEqual(segment === "trimmed" ? [2n] : []);
      expect(counts.requests).toBeGreaterThan(0);
    }
  });
});

it("a scan over many segments leaves nothing in memory", async () => {
  const { counts, storage } = counted(memoryStorage());
  await using instance = makeInstance(storage);
  const place = { storeId: randomUUID(), space: "s" };
  const names = Array.from({ length: 200 }, (_, i) => `segment-${i}`);
  await Promise.all(names.map((name) => append(instance, place, [name])));
  for (let i = 0; i < 2; i++) await instance.stream.readSegment({ ...place, segment: "segment-0" });
  const before = await instance.withStore(place.storeId, async (store) => store.space("s").tails.bytes);
  for (const segment of names) await instance.stream.readSegment({ ...place, segment });
  expect(await instance.withStore(place.storeId, async (store) => store.space("s").tails.bytes)).toBe(before);
  counts.requests = 0;
  await instance.stream.readSegment({ ...place, segment: "segment-0" });
  expect(counts.requests).toBe(0);
});
