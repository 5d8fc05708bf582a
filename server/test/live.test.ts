/** Followers, writers and trims at the same time, on one instance and on two that share a storage. */
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import { type AppendResponse, ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { ALL, consume } from "../src/engine/read/consume.ts";
import { SegmentSource, SpaceSource } from "../src/engine/space/sources.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { type Instance, makeInstance, withLimits } from "./instance.ts";
import { entriesOf } from "./space-checks.ts";
import type { ModelEntry } from "./space-model.ts";

const space = "space";
const payload = (text: string) => ({ payload: Buffer.from(text) });

/** A source of choices from a seed, so that a run can repeat a failure. */
function choices(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function reasonOf(error: unknown): ErrorReason | undefined {
  return ConnectError.from(error).findDetails(ErrorDetailSchema)[0]?.reason;
}

/** Follows until `enough` entries have arrived, or the stream fails. */
interface Follower {
  readonly what: string;
  readonly expected: (all: readonly ModelEntry[]) => readonly ModelEntry[];
  readonly received: ModelEntry[];
  readonly stop: AbortController;
  readonly ended: Promise<unknown>;
}

function follow(instance: Instance, storeId: string, kind: number): Follower {
  const stop = new AbortController();
  const options: CallOptions = { signal: stop.signal };
  const received: ModelEntry[] = [];
  const at = { storeId, space, follow: true };
  const kinds = [
    {
      what: "space",
      stream: () => instance.stream.consumeSpace(at, options),
      expected: (all: readonly ModelEntry[]) => all,
    },
    {
      what: "prefix s1",
      stream: () => instance.stream.consumeSpace({ ...at, segmentPrefix: "s1" }, options),
      expected: (all: readonly ModelEntry[]) => all.filter((e) => e.segment.startsWith("s1")),
    },
    {
      what: "segment s0",
      stream: () => instance.stream.consumeSegment({ ...at, segment: "s0" }, options),
      expected: (all: readonly ModelEntry[]) => all.filter((e) => e.segment === "s0"),
    },
    {
      what: "merged",
      stream: () => instance.stream.consume({ storeId, spaces: { [space]: 0n, other: 0n }, follow: true }, options),
      expected: (all: readonly ModelEntry[]) => all,
    },
  ];
  const { what, stream, expected } = kinds[kind % kinds.length];
  const ended = (async () => {
    for await (const response of stream()) received.push(...entriesOf(space, response.batches));
  })().catch((error) => error);
  return { what, expected, received, stop, ended };
}

async function readAll(instance: Instance, storeId: string): Promise<ModelEntry[]> {
  const found: ModelEntry[] = [];
  for await (const { batches } of instance.stream.consumeSpace({ storeId, space }))
    found.push(...entriesOf(space, batches));
  return found;
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`did not happen within 10 s: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Checks G1 to G3 for the result of one read, and that every acknowledged entry is at its position. */
function checkLog(all: readonly ModelEntry[], acks: readonly AppendResponse[]): void {
  all.forEach((entry, i) => {
    expect(entry.offset).toBe(i + 1);
    const before = all[i - 1];
    if (before === undefined) return;
    expect(
      entry.number - before.number === 0
        ? entry.time === before.time
        : entry.number === before.number + 1 && entry.time > before.time,
    ).toBe(true);
  });
  const bySegment = Map.groupBy(all, (entry) => entry.segment);
  for (const entries of bySegment.values())
    expect(entries.map((e) => e.sequence)).toEqual(entries.map((_, i) => i + 1));
  expect(new Set(all.map((e) => e.number)).size).toBe(acks.length);
  for (const { transaction, ranges } of acks) {
    const placed = ranges.flatMap((r) =>
      Array.from(
        { length: Number(r.lastSequence - r.firstSequence) + 1 },
        (_, i) => `${r.segment} ${Number(r.firstSequence) + i} ${Number(r.firstOffset) + i}`,
      ),
    );
    const found = all
      .filter((e) => e.transaction === transaction?.id)
      .map((e) => `${e.segment} ${e.sequence} ${e.offset}`);
    expect(found).toEqual(placed);
  }
}

describe.each([
  { instances: 1, threshold: Number.POSITIVE_INFINITY },
  { instances: 1, threshold: 300 },
  { instances: 2, threshold: Number.POSITIVE_INFINITY },
  { instances: 2, threshold: 300 },
])("$instances instances, references from $threshold bytes", ({ instances: count, threshold }) => {
  const storage = () => withLimits(memoryStorage({ shared: count > 1 }), { referenceThresholdBytes: threshold });

  it.each([1, 2, 3])(
    "deliver every entry once, in order, to followers that start at any moment (seed %i)",
    async (seed) => {
      const choose = choices(seed);
      const storeId = crypto.randomUUID();
      const shared = storage();
      await using first = makeInstance(shared);
      await using second = makeInstance(shared);
      const instances = [first, second].slice(0, count);
      const acks: AppendResponse[] = [];
      const followers: Follower[] = [];
      const writer = async (id: number) => {
        for (let i = 0; i < 40; i++) {
          const appends = Array.from({ length: 1 + choose(3) }, (_, s) => ({
            segment: `s${s === 0 ? choose(12) : 20 + s}`,
            records: Array.from({ length: 1 + choose(3) }, (_, r) =>
              payload(`${id}/${i}/${s}/${r}`.padEnd(choose(400))),
            ),
          }));
          acks.push(
            await instances[choose(count)].stream.append({
              storeId,
              space,
              appends,
              transactionId: crypto.randomUUID(),
            }),
          );
          if (choose(6) === 0) followers.push(follow(instances[choose(count)], storeId, choose(4)));
          if (choose(4) === 0) await turn();
        }
      };
      for (let kind = 0; kind < 4; kind++) followers.push(follow(instances[choose(count)], storeId, kind));
      await Promise.all([0, 1, 2, 3].map(writer));
      const all = await readAll(instances[0], storeId);
      checkLog(all, acks);
      for (const follower of followers) {
        const wanted = follower.expected(all);
        await until(
          () => follower.received.length >= wanted.length,
          () => `${follower.what}: ${follower.received.length} of ${wanted.length}`,
        );
        expect(follower.received, follower.what).toEqual(wanted);
        follower.stop.abort();
        await follower.ended;
      }
      for (const instance of instances) expect(instance.failures).toEqual([]);
    },
  );

  it("exactly one of the concurrent appends with one expectation is applied, and the losers learn the actual state (G6)", async () => {
    const storeId = crypto.randomUUID();
    const shared = storage();
    await using first = makeInstance(shared);
    await using second = makeInstance(shared);
    const instances = [first, second].slice(0, count);
    for (let round = 0; round < 40; round++) {
      const attempts = Array.from({ length: 4 }, (_, i) =>
        instances[i % count].stream.append({
          storeId,
          space,
          appends: [{ segment: "s", expectedLastSequence: BigInt(round), records: [payload(`${round}/${i}`)] }],
        }),
      );
      const outcomes = await Promise.allSettled(attempts);
      expect(outcomes.filter((o) => o.status === "fulfilled")).toHaveLength(1);
      for (const o of outcomes) {
        if (o.status === "fulfilled") continue;
        const [detail] = ConnectError.from(o.reason).findDetails(ErrorDetailSchema);
        expect(detail).toMatchObject({ reason: ErrorReason.SEQUENCE_MISMATCH, actualLastSequence: BigInt(round + 1) });
      }
    }
  });

  it("one transaction id, sent many times at once, is written once and gets one result (G7)", async () => {
    const storeId = crypto.randomUUID();
    const shared = storage();
    await using first = makeInstance(shared);
    await using second = makeInstance(shared);
    const instances = [first, second].slice(0, count);
    for (let round = 0; round < 20; round++) {
      const request = {
        storeId,
        space,
        transactionId: crypto.randomUUID(),
        appends: [{ segment: "s", records: [payload("x"), payload("y")] }],
      };
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, i) => instances[i % count].stream.append(request)),
      );
      expect(results.filter((r) => !r.deduplicated)).toHaveLength(1);
      for (const r of results) expect({ ...r, deduplicated: false }).toEqual({ ...results[0], deduplicated: false });
    }
    expect(await readAll(instances[0], storeId)).toHaveLength(40);
  });

  it("followers during trims get entries in order, complete after each trim, and no trimmed entry again (TRM-001)", async () => {
    const storeId = crypto.randomUUID();
    const shared = storage();
    await using first = makeInstance(shared);
    await using second = makeInstance(shared);
    const instances = [first, second].slice(0, count);
    const lasting = [0, 1, 2, 3].map((kind) => follow(instances[kind % count], storeId, kind));
    for (let i = 1; i <= 60; i++) {
      const appends = ["s0", "s1"].map((segment) => ({
        segment,
        records: [payload(`${i}`), payload("x".repeat(200))],
      }));
      await instances[i % count].stream.append({ storeId, space, appends });
      if (i % 3 !== 0) continue;
      await instances[(i + 1) % count].stream.trimSegment({
        storeId,
        space,
        segment: "s0",
        beforeSequence: BigInt(2 * i - 2),
      });
      // A new reader must not see trimmed entries, even if a ring or a page in memory still has them.
      for (const instance of instances) {
        for (const end of [instance.settle(storeId), undefined]) {
          await end;
          const late = follow(instance, storeId, 0);
          await until(
            () => late.received.at(-1)?.offset === 4 * i,
            () => "the late follower's head",
          );
          expect(late.received.filter((e) => e.segment === "s0").map((e) => e.sequence)).toEqual([
            2 * i - 2,
            2 * i - 1,
            2 * i,
          ]);
          expect(late.received.filter((e) => e.segment === "s1")).toHaveLength(2 * i);
          late.stop.abort();
          await late.ended;
        }
      }
    }
    for (const follower of lasting) {
      const isLast = (e: ModelEntry | undefined) => e?.payload.startsWith("x") === true && e.sequence === 120;
      await until(
        () => isLast(follower.received.at(-1)),
        () => `${follower.what}: the last entry`,
      );
      const offsets = follower.received.map((e) => e.offset);
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
      const s1 = follower.received.filter((e) => e.segment === "s1").map((e) => e.sequence);
      if (s1.length > 0) expect(s1).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
      follower.stop.abort();
      await follower.ended;
    }
    for (const instance of instances) expect(instance.failures).toEqual([]);
  });
});

describe("a follower", () => {
  it("that falls behind the ring reads from storage and misses nothing (G10)", async () => {
    const storeId = crypto.randomUUID();
    await using instance = makeInstance(memoryStorage());
    const stream = instance.stream.consumeSpace({ storeId, space, follow: true })[Symbol.asyncIterator]();
    await stream.next();
    // 12 MiB: three times the size of the ring.
    const large = { payload: new Uint8Array(120 * 1024) };
    for (let i = 0; i < 100; i++)
      await instance.stream.append({ storeId, space, appends: [{ segment: "s", records: [large] }] });
    const sequences: number[] = [];
    while (sequences.length < 100) {
      const { value } = await stream.next();
      for (const batch of value.batches) sequences.push(Number(batch.firstSequence));
    }
    expect(sequences).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    await stream.return?.();
  });

  it("that pauses between two pages gets entries that are committed meanwhile once, and no batch without records (G1)", async () => {
    const storeId = crypto.randomUUID();
    await using instance = makeInstance(memoryStorage());
    using lease = await instance.openStores.acquire(storeId);
    const log = lease.store.space(space);
    const end = new AbortController();
    const append = () =>
      instance.stream.append({ storeId, space, appends: [{ segment: "a", records: [payload("x"), payload("y")] }] });
    for (const source of [new SpaceSource(log), new SegmentSource(log, "a")]) {
      // Small pages while the reader is far behind, large ones later, as for a client that begins to read.
      const pace = { pageBytes: 1, reserve: () => ({ [Symbol.dispose]: () => undefined }) };
      const start = (await source.sync()).head;
      const pages = consume(source, { ...ALL, follow: true, min: start + 1, pace }, end.signal);
      await pages.next();
      await append();
      await append();
      const seen: number[] = [];
      const take = async () => {
        const { value } = await pages.next();
        for (const batch of value?.batches ?? []) {
          expect(batch.count).toBe(2);
          for (let i = 0; i < batch.count; i++) seen.push(source.positionOf(batch) + i);
        }
      };
      await take();
      expect(seen).toEqual([1, 2].map((n) => start + n));
      // The reader holds the first page. Its target is the second transaction.
      for (let i = 0; i < 3; i++) await append();
      pace.pageBytes = 1024 * 1024;
      while (seen.length < 10) await take();
      expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => start + 1 + i));
      await pages.return();
    }
  });

  it("that is behind when entries are removed sees all other entries, and none of the removed ones (G2, TRM-001)", async () => {
    const storeId = crypto.randomUUID();
    await using instance = makeInstance(memoryStorage());
    using lease = await instance.openStores.acquire(storeId);
    const log = lease.store.space(space);
    const end = new AbortController();
    const append = () =>
      instance.stream.append({
        storeId,
        space,
        appends: ["a", "b"].map((segment) => ({ segment, records: [payload(segment)] })),
      });
    // Read directly from the engine, so that the reader keeps its position until the next call.
    const sources = [new SpaceSource(log), new SegmentSource(log, "b")];
    const followers = sources.map((source) => consume(source, { ...ALL, follow: true }, end.signal));
    for (const pages of followers) await pages.next();
    await append();
    await append();
    await instance.stream.trimSegment({ storeId, space, segment: "a", beforeSequence: 2n });
    await instance.settle(storeId);
    await append();
    for (const [index, pages] of followers.entries()) {
      const seen: string[] = [];
      while (seen.at(-1) !== "b3") {
        const { value } = await pages.next();
        seen.push(...(value?.batches ?? []).map((batch) => `${batch.segment}${batch.firstSequence}`));
      }
      expect(seen).toEqual(index === 0 ? ["b1", "a2", "b2", "a3", "b3"] : ["b1", "b2", "b3"]);
      await pages.return();
    }
  });

  it.each([0, 1, 2, 3])("ends with NOT_FOUND when its store is deleted (fault 33, kind %i)", async (kind) => {
    const storeId = crypto.randomUUID();
    await using instance = makeInstance(memoryStorage());
    await instance.stream.append({ storeId, space, appends: [{ segment: "s0", records: [payload("x")] }] });
    const follower = follow(instance, storeId, kind);
    await turn();
    await instance.stores.deleteStore({ storeId });
    const error = await follower.ended;
    expect(ConnectError.from(error).code).toBe(Code.NotFound);
    expect(reasonOf(error)).toBe(ErrorReason.NOT_FOUND);
    const again = await instance.stream.append({
      storeId,
      space,
      appends: [{ segment: "s0", records: [payload("x")] }],
    });
    expect(again.ranges[0]).toMatchObject({ firstSequence: 1n, firstOffset: 1n });
    expect(again.transaction?.number).toBe(1n);
  });

  it.each([0, 1, 2, 3])("ends with SHUTTING_DOWN when the server closes (fault 22, kind %i)", async (kind) => {
    const storeId = crypto.randomUUID();
    const instance = makeInstance(memoryStorage());
    const follower = follow(instance, storeId, kind);
    await turn();
    await instance[Symbol.asyncDispose]();
    const error = await follower.ended;
    expect(ConnectError.from(error).code).toBe(Code.Unavailable);
    expect(reasonOf(error)).toBe(ErrorReason.SHUTTING_DOWN);
    const later = await instance.stream
      .append({ storeId, space, appends: [{ segment: "s", records: [payload("x")] }] })
      .catch((e) => e);
    expect(reasonOf(later)).toBe(ErrorReason.SHUTTING_DOWN);
  });

  it("beyond the limit of streams is refused with OVERLOADED, until another one ends", async () => {
    const storeId = crypto.randomUUID();
    await using instance = makeInstance(memoryStorage(), { limits: { streams: 2 } });
    const open = [follow(instance, storeId, 0), follow(instance, storeId, 2)];
    await turn();
    const refused = follow(instance, storeId, 1);
    expect(reasonOf(await refused.ended)).toBe(ErrorReason.OVERLOADED);
    for (const follower of open) {
      follower.stop.abort();
      await follower.ended;
    }
    await turn();
    for await (const _ of instance.stream.consumeSpace({ storeId, space })) break;
  });
});
