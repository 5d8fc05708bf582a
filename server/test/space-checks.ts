import type { EntryBatch } from "@streamkit/protocol";
import { expect } from "vitest";
import type { Instance } from "./instance.ts";
import type { ModelEntry, SpaceModel } from "./space-model.ts";

const microsOf = (time: { seconds: bigint; nanos: number } | undefined): number =>
  time === undefined ? 0 : Number(time.seconds) * 1_000_000 + time.nanos / 1_000;

const timestamp = (micros: number) => ({
  seconds: BigInt(Math.floor(micros / 1_000_000)),
  nanos: (micros % 1_000_000) * 1_000,
});

/** The entries of some batches. Checks that each batch is well-formed (SEG-009, SEG-015). */
export function entriesOf(space: string, batches: readonly EntryBatch[]): ModelEntry[] {
  return batches.flatMap((batch) => {
    expect(batch.space).toBe(space);
    expect(batch.records.length).toBeGreaterThan(0);
    return batch.records.map((record, i) => ({
      segment: batch.segment,
      sequence: Number(batch.firstSequence) + i,
      offset: Number(batch.firstOffset) + i,
      payload: Buffer.from(record.payload).toString(),
      transaction: batch.transaction?.id ?? "",
      number: Number(batch.transaction?.number),
      time: microsOf(batch.commitTime),
    }));
  });
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly minTime: number;
  readonly maxTime: number;
  readonly limit: number;
  readonly last: number;
}

interface Response {
  readonly batches: EntryBatch[];
  readonly next: bigint;
  readonly caughtUp: boolean;
}

/** Compares a finished read with the specification of its bounds. */
function checkRead(
  space: string,
  responses: readonly Response[],
  all: readonly ModelEntry[],
  head: number,
  positionOf: (entry: ModelEntry) => number,
  { min, max, minTime, maxTime, limit, last }: Bounds,
): void {
  const matching = all.filter((entry) => {
    const position = positionOf(entry);
    if (position < min || (max > 0 && position > max) || (last > 0 && position <= head - last)) return false;
    return (minTime === 0 || entry.time >= minTime) && (maxTime === 0 || entry.time <= maxTime);
  });
  const expected = limit > 0 ? matching.slice(0, limit) : matching;
  expect(
    entriesOf(
      space,
      responses.flatMap((r) => r.batches),
    ),
  ).toEqual(expected);
  expect(responses.length).toBeGreaterThan(0);
  const { next, caughtUp } = responses[responses.length - 1];
  // SEG-010: every matching entry before `next` was delivered, and none from `next` on.
  const delivered = new Set(expected);
  for (const entry of matching) expect(delivered.has(entry)).toBe(positionOf(entry) < Number(next));
  // SEG-013
  expect(caughtUp).toBe(Number(next) > head);
}

export async function checkSegmentRead(
  instance: Instance,
  at: { storeId: string; space: string; segment: string },
  model: SpaceModel,
  bounds: Bounds,
): Promise<void> {
  const responses: Response[] = [];
  const request = {
    ...at,
    minSequence: BigInt(bounds.min),
    maxSequence: BigInt(bounds.max),
    minTime: bounds.minTime === 0 ? undefined : timestamp(bounds.minTime),
    maxTime: bounds.maxTime === 0 ? undefined : timestamp(bounds.maxTime),
    limit: BigInt(bounds.limit),
    last: BigInt(bounds.last),
  };
  for await (const r of instance.stream.consumeSegment(request)) responses.push({ ...r, next: r.nextSequence });
  checkRead(
    at.space,
    responses,
    model.entriesOf(at.segment),
    model.segment(at.segment).last,
    (e) => e.sequence,
    bounds,
  );
}

/** Compares one page of a segment with the specification. Of the bounds, it uses the sequences and the limit. */
export async function checkSegmentPage(
  instance: Instance,
  at: { storeId: string; space: string; segment: string },
  model: SpaceModel,
  { min, max, limit }: Bounds,
): Promise<void> {
  const request = { ...at, minSequence: BigInt(min), maxSequence: BigInt(max), limit: BigInt(limit) };
  const page = await instance.stream.readSegment(request);
  checkRead(
    at.space,
    [{ ...page, next: page.nextSequence }],
    model.entriesOf(at.segment),
    model.segment(at.segment).last,
    (e) => e.sequence,
    { ...EVERYTHING, min, max, limit },
  );
}

export async function checkSpaceRead(
  instance: Instance,
  at: { storeId: string; space: string },
  model: SpaceModel,
  bounds: Bounds,
  segmentPrefix = "",
): Promise<void> {
  const responses: Response[] = [];
  const request = {
    ...at,
    segmentPrefix,
    minOffset: BigInt(bounds.min),
    maxOffset: BigInt(bounds.max),
    minTime: bounds.minTime === 0 ? undefined : timestamp(bounds.minTime),
    maxTime: bounds.maxTime === 0 ? undefined : timestamp(bounds.maxTime),
    limit: BigInt(bounds.limit),
    last: BigInt(bounds.last),
  };
  for await (const r of instance.stream.consumeSpace(request)) responses.push({ ...r, next: r.nextOffset });
  const selected = model.entries.filter((entry) => entry.segment.startsWith(segmentPrefix));
  checkRead(at.space, responses, selected, model.lastOffset, (e) => e.offset, bounds);
}

const EVERYTHING: Bounds = { min: 0, max: 0, minTime: 0, maxTime: 0, limit: 0, last: 0 };

/** Compares every answer about a space with the model. */
export async function checkSpace(
  instance: Instance,
  at: { storeId: string; space: string },
  model: SpaceModel,
  segments: readonly string[],
): Promise<void> {
  await checkSpaceRead(instance, at, model, EVERYTHING);
  const { status } = await instance.stream.getSpaceStatus(at);
  expect(Number(status?.lastOffset)).toBe(model.lastOffset);
  expect(microsOf(status?.lastTime)).toBe(model.lastTime);
  expect(Number(status?.segmentCount)).toBe(model.listed().length);
  // A lower bound while entries are retained (model.proto); exact where the clauses require it.
  if (model.lastOffset === 0) expect(status?.firstOffset).toBe(0n);
  else if (model.entries.length > 0) expect(Number(status?.firstOffset)).toBeLessThanOrEqual(model.entries[0].offset);
  const list = await instance.stream.listSegments({ ...at, pageSize: 2 });
  const names: string[] = list.segments.map((s) => s.segment);
  for (let token = list.nextPageToken; token !== ""; ) {
    const page = await instance.stream.listSegments({ ...at, pageSize: 2, pageToken: token });
    names.push(...page.segments.map((s) => s.segment));
    token = page.nextPageToken;
  }
  expect(names).toEqual(model.listed());
  for (const segment of segments) {
    await checkSegmentRead(instance, { ...at, segment }, model, EVERYTHING);
    const expected = model.entriesOf(segment);
    const { entry } = await instance.stream.peek({ ...at, segment });
    expect(entriesOf(at.space, entry === undefined ? [] : [entry])).toEqual(expected.slice(-1));
    const state = await instance.stream.getSegmentStatus({ ...at, segment });
    expect({
      first: Number(state.status?.firstSequence),
      last: Number(state.status?.lastSequence),
      lastOffset: Number(state.status?.lastOffset),
      firstTime: microsOf(state.status?.firstTime),
      lastTime: microsOf(state.status?.lastTime),
    }).toEqual({
      first: model.firstOf(segment),
      last: model.segment(segment).last,
      lastOffset: model.segment(segment).lastOffset,
      firstTime: expected[0]?.time ?? 0,
      lastTime: expected.at(-1)?.time ?? 0,
    });
  }
}
