/** ReadSegment and ReadSpace: one page per call. */
import { randomUUID } from "node:crypto";
import { type EntryBatch, ErrorReason, LIMITS } from "@streamkit/protocol";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { endInstances, failureOf, type Instance, makeInstance, withLimits } from "./instance.ts";

const space = "s";
let storeId: string;
let instances: Instance[];

beforeEach(() => {
  storeId = randomUUID();
  instances = [];
});
afterEach(() => endInstances(instances));

function start(count: number, threshold = 16 * 1024): Instance[] {
  const storage = withLimits(memoryStorage({ shared: count > 1 }), { referenceThresholdBytes: threshold });
  instances = Array.from({ length: count }, () => makeInstance(storage));
  return instances;
}

const record = (text: string) => ({ payload: Buffer.from(text) });
const append = (at: Instance, segment: string, count: number, bytes = 1) =>
  at.stream.append({
    storeId,
    space,
    appends: [{ segment, records: Array.from({ length: count }, () => record("x".repeat(bytes))) }],
  });

const sequencesOf = (batches: readonly EntryBatch[]) =>
  batches.flatMap((batch) => batch.records.map((_, i) => Number(batch.firstSequence) + i));
const offsetsOf = (batches: readonly EntryBatch[]) =>
  batches.flatMap((batch) => batch.records.map((_, i) => Number(batch.firstOffset) + i));
/** Newest first, even within batches. */
const backwards = (batches: readonly EntryBatch[], of: (batches: readonly EntryBatch[]) => number[]) =>
  batches.flatMap((batch) => of([batch]).reverse());
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe.each([
  ["one instance", 1],
  ["two instances", 2],
])("a page on %s", (_, count) => {
  it("has the first entries of the range, and the position of the next ones", async () => {
    const [a, b = a] = start(count);
    for (let i = 0; i < 5; i++) await append(a, "a", 3);
    const page = await b.stream.readSegment({ storeId, space, segment: "a", minSequence: 2n, limit: 6n });
    expect(sequencesOf(page.batches)).toEqual(range(2, 7));
    expect(page).toMatchObject({ nextSequence: 8n, caughtUp: false });
    const rest = await b.stream.readSegment({ storeId, space, segment: "a", minSequence: page.nextSequence });
    expect(sequencesOf(rest.batches)).toEqual(range(8, 15));
    expect(rest).toMatchObject({ nextSequence: 16n, caughtUp: true });
  });

  it("has the last entries of the range, newest first, with backward", async () => {
    const [a, b = a] = start(count);
    for (let i = 0; i < 5; i++) await append(a, "a", 3);
    const at = { storeId, space, segment: "a", backward: true };
    const page = await b.stream.readSegment({ ...at, limit: 4n });
    expect(backwards(page.batches, sequencesOf)).toEqual([15, 14, 13, 12]);
    expect(page).toMatchObject({ nextSequence: 11n, caughtUp: false });
    const rest = await b.stream.readSegment({ ...at, maxSequence: page.nextSequence, minSequence: 2n });
    expect(backwards(rest.batches, sequencesOf)).toEqual(range(2, 11).reverse());
    expect(rest).toMatchObject({ nextSequence: 0n, caughtUp: true });
  });

  it("waits for the next commit", async () => {
    const [a, b = a] = start(count);
    const wait = { seconds: 60n, nanos: 0 };
    const segmentPage = b.stream.readSegment({ storeId, space, segment: "a", minSequence: 2n, wait });
    const spacePage = b.stream.readSpace({ storeId, space, segmentPrefix: "b", wait });
    await append(a, "a", 1);
    await append(a, "a", 2);
    expect(sequencesOf((await segmentPage).batches)).toEqual([2, 3]);
    await append(a, "b", 1);
    const page = await spacePage;
    expect(offsetsOf(page.batches)).toEqual([4]);
    expect(page).toMatchObject({ nextOffset: 5n, caughtUp: true });
  });

  it("is empty if nothing is committed while it waits, and then has its position", async () => {
    const [a] = start(count);
    await append(a, "a", 2);
    const wait = { seconds: 0n, nanos: 50_000_000 };
    const page = await a.stream.readSpace({ storeId, space, segmentPrefix: "none", wait });
    expect(page).toMatchObject({ batches: [], nextOffset: 3n, caughtUp: true });
  });
});

describe("pages, one after the other,", () => {
  it("have every entry once, in either direction, at any size (SIZ-002)", async () => {
    const sizes = fc.array(
      fc.tuple(fc.constantFrom(1, 2, 7, 40), fc.constantFrom(1, 300, 20_000), fc.constantFrom("a", "b")),
      {
        minLength: 1,
        maxLength: 40,
      },
    );
    const plan = fc.record({ sizes, limit: fc.constantFrom(1, 3, 10, 100), threshold: fc.constantFrom(400, 1e9) });
    await fc.assert(
      fc.asyncProperty(plan, async ({ sizes, limit, threshold }) => {
        storeId = randomUUID();
        const [a] = start(1, threshold);
        for (const [count, bytes, segment] of sizes) await append(a, segment, count, bytes);
        const all = offsetsOf((await collectSpace(a, { limit: BigInt(limit) })).flat());
        const total = sizes.reduce((sum, [count]) => sum + count, 0);
        expect(all).toEqual(range(1, total));
        const back = await collectSpace(a, { limit: BigInt(limit), backward: true });
        expect(backwards(back.flat(), offsetsOf)).toEqual(all.toReversed());
        const ofB = offsetsOf((await collectSpace(a, { limit: 1_000n, segmentPrefix: "b" })).flat());
        const backB = (await collectSpace(a, { limit: BigInt(limit), segmentPrefix: "b", backward: true })).flat();
        expect(backwards(backB, offsetsOf)).toEqual(ofB.toReversed());
        await endInstances(instances);
        instances = [];
      }),
      { numRuns: 15 },
    );
  });

  it("are about a megabyte, or one transaction", async () => {
    const [a] = start(1);
    for (let i = 0; i < 6; i++) await append(a, "a", 1, LIMITS.maxRecordBytes);
    for (let i = 0; i < 100; i++) await append(a, "a", 1, 40_000);
    for (const backward of [false, true]) {
      const pages = await collectSpace(a, { limit: 0n, backward });
      expect(offsetsOf(pages.flat()).toSorted((x, y) => x - y)).toEqual(range(1, 106));
      const bytes = pages.map((page) =>
        page.reduce((sum, { records }) => sum + records.reduce((n, r) => n + r.payload.length, 0), 0),
      );
      expect(Math.max(...bytes)).toBeLessThanOrEqual(1_048_576);
      expect(bytes.length).toBeLessThan(12);
    }
  });

  it("continue across trims and deletions", async () => {
    const [a] = start(1);
    for (let i = 0; i < 30; i++) await append(a, i % 2 === 0 ? "a" : "b", 2);
    const first = await a.stream.readSpace({ storeId, space, limit: 5n });
    const last = await a.stream.readSpace({ storeId, space, limit: 5n, backward: true });
    await a.stream.deleteSegment({ storeId, space, segment: "a" });
    await a.stream.trimSegment({ storeId, space, segment: "b", beforeSequence: 11n });
    await a.settle(storeId);
    const rest = await a.stream.readSpace({ storeId, space, minOffset: first.nextOffset });
    expect(offsetsOf(rest.batches)).toEqual(
      range(1, 60).filter((offset) => Math.ceil(offset / 2) % 2 === 0 && offset > 20),
    );
    const before = await a.stream.readSpace({ storeId, space, maxOffset: last.nextOffset, backward: true });
    expect(before).toMatchObject({ nextOffset: 0n, caughtUp: true });
    const expected = offsetsOf(rest.batches).filter((offset) => offset <= Number(last.nextOffset));
    expect(backwards(before.batches, offsetsOf)).toEqual(expected.toReversed());
  });
});

describe("a call that waits", () => {
  const wait = { seconds: 60n, nanos: 0 };

  it("ends with NOT_FOUND when the store is deleted", async () => {
    const [a] = start(1);
    await append(a, "a", 1);
    const page = failureOf(a.stream.readSegment({ storeId, space, segment: "a", minSequence: 2n, wait }));
    await expect.poll(() => a.withStore(storeId, async (store) => store.space(space).hub.followers)).toBe(1);
    await a.stores.deleteStore({ storeId });
    expect(await page).toMatchObject({ reason: ErrorReason.NOT_FOUND });
  });

  it("ends with SHUTTING_DOWN when the server stops, and ends when its caller leaves", async () => {
    const [a] = start(1);
    await append(a, "a", 1);
    const request = { storeId, space, segment: "a", minSequence: 2n, wait };
    const gone = new AbortController();
    const left = failureOf(a.stream.readSegment(request, { signal: gone.signal }));
    const followers = () => a.withStore(storeId, async (store) => store.space(space).hub.followers);
    await expect.poll(followers).toBe(1);
    gone.abort();
    await left;
    await expect.poll(followers).toBe(0);
    const page = failureOf(a.stream.readSegment(request));
    await expect.poll(followers).toBe(1);
    await a[Symbol.asyncDispose]();
    expect(await page).toMatchObject({ reason: ErrorReason.SHUTTING_DOWN });
  });
});

it("refuses contradictory fields", async () => {
  const [a] = start(1);
  const refused = async (fields: object) => {
    const failure = await failureOf(a.stream.readSegment({ storeId, space, segment: "a", ...fields }));
    expect(failure?.reason).toBe(ErrorReason.INVALID_FIELD);
    return failure?.fieldViolations.map(({ field }) => field);
  };
  expect(await refused({ wait: { seconds: 61n } })).toEqual(["wait"]);
  expect(await refused({ wait: { seconds: -1n } })).toEqual(["wait"]);
  expect(await refused({ wait: { seconds: 1n }, backward: true })).toEqual(["wait"]);
  expect(await refused({ minSequence: 3n, maxSequence: 2n })).toEqual(["max_sequence"]);
});

type SpaceFields = { limit: bigint; backward?: boolean; segmentPrefix?: string };

async function collectSpace(at: Instance, fields: SpaceFields): Promise<EntryBatch[][]> {
  const pages: EntryBatch[][] = [];
  for (let position = 0n; ; ) {
    const bound = fields.backward ? { maxOffset: position } : { minOffset: position };
    const page = await at.stream.readSpace({ storeId, space, ...fields, ...bound });
    pages.push(page.batches);
    position = page.nextOffset;
    if (page.caughtUp) return pages;
  }
}
