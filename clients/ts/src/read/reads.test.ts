import { create, toBinary } from "@bufbuild/protobuf";
import { EntryBatchSchema } from "@streamkit/protocol";
import { expect, test } from "vitest";
import { bytes, type Codec } from "../codec.ts";
import type { Peer } from "../transport/peer.ts";
import { MergedRead } from "./merged-read.ts";
import { SegmentRead } from "./segment-read.ts";
import { SpaceRead } from "./space-read.ts";

const codec = bytes as Codec<Uint8Array, never>;
const signal = new AbortController().signal;
const lastOffset = async () => 0;

/** Keeps the requests that a read makes. */
function recorder() {
  const requests: Record<string, unknown>[] = [];
  const record = (request: unknown) => {
    requests.push(request as Record<string, unknown>);
    return (async function* () {})();
  };
  return { requests, peer: { consumeSegment: record, consumeSpace: record, consume: record } as unknown as Peer };
}

function batch(space: string, firstOffset: number, count: number): Uint8Array {
  const records = Array.from({ length: count }, () => ({}));
  const init = { space, segment: "a", firstSequence: BigInt(firstOffset), firstOffset: BigInt(firstOffset), records };
  return toBinary(EntryBatchSchema, create(EntryBatchSchema, init));
}

test("every bound reaches the server", () => {
  const { requests, peer } = recorder();
  const minTime = new Date(1_500);
  const maxTime = { micros: 2_000_001 };
  const common = { minTime, maxTime, limit: 5, follow: true, heartbeatInterval: 1_500 };
  const wire = {
    minTime: { seconds: 1n, nanos: 500_000_000 },
    maxTime: { seconds: 2n, nanos: 1_000 },
    limit: 5n,
    follow: true,
    heartbeatInterval: { seconds: 1n, nanos: 500_000_000 },
  };
  const place = { storeId: "x", space: "s", peer, lastOffset };
  const source = { ...place, segment: "a", status: async () => ({ first: 0, last: 0 }) };
  new SegmentRead(source, { ...common, minSequence: 2, maxSequence: 9n, last: 3 }, codec).open(signal);
  new SpaceRead(place, { ...common, minOffset: 2, maxOffset: 9, last: 3, segmentPrefix: "p" }, codec).open(signal);
  new MergedRead({ storeId: "x", peer, lastOffset }, { ...common, spaces: new Map([["s", 4]]) }, codec).open(signal);
  expect(requests).toEqual([
    { storeId: "x", space: "s", segment: "a", minSequence: 2n, maxSequence: 9n, last: 3n, ...wire },
    { storeId: "x", space: "s", minOffset: 2n, maxOffset: 9n, last: 3n, segmentPrefix: "p", ...wire },
    { storeId: "x", spaces: { s: 4n }, ...wire },
  ]);
});

test("a read of a space goes on where it was, and drops what comes again", () => {
  const { requests, peer } = recorder();
  const read = new SpaceRead(
    { storeId: "x", space: "s", peer, lastOffset },
    { last: 20, limit: 10, maxOffset: 40 },
    codec,
  );
  expect(read.receive({ batches: [], next: 7, caughtUp: false }).next).toBe(7);
  const first = read.receive({ batches: [batch("s", 7, 2), batch("s", 12, 3)], next: 20, caughtUp: false });
  expect([first.next, read.complete]).toEqual([20, false]);
  read.open(signal);
  expect(requests[0]).toMatchObject({ minOffset: 20n, last: 0n, limit: 5n });
  const again = read.receive({ batches: [batch("s", 12, 3), batch("s", 18, 4)], next: 22, caughtUp: true });
  expect(again.batches.map((one) => [one.firstOffset, one.length])).toEqual([[20, 2]]);
  read.receive({ batches: [batch("s", 22, 3)], next: 25, caughtUp: true });
  expect(read.complete).toBe(true);
});

test("a read of a space is complete behind maxOffset, though nothing was selected", () => {
  const read = new SpaceRead({ storeId: "x", space: "s", peer: recorder().peer, lastOffset }, { maxOffset: 40 }, codec);
  read.receive({ batches: [], next: 40, caughtUp: false });
  expect(read.complete).toBe(false);
  read.receive({ batches: [], next: 41, caughtUp: false });
  expect(read.complete).toBe(true);
});

test("a merged read goes on where each space was, and drops what comes again", () => {
  const { requests, peer } = recorder();
  const read = new MergedRead({ storeId: "x", peer, lastOffset }, { spaces: { a: 0, b: 5 }, limit: 6 }, codec);
  const first = read.receive({
    batches: [batch("b", 5, 2), batch("a", 1, 1)],
    next: new Map([
      ["a", 4],
      ["b", 7],
    ]),
    caughtUp: false,
  });
  expect([...first.next]).toEqual([
    ["a", 4],
    ["b", 7],
  ]);
  read.open(signal);
  expect(requests[0]).toMatchObject({ spaces: { a: 4n, b: 7n }, limit: 3n });
  const again = read.receive({
    batches: [batch("b", 6, 2), batch("a", 2, 1), batch("a", 4, 2)],
    next: new Map([["b", 8]]),
    caughtUp: true,
  });
  expect(again.batches.map((one) => [one.space, one.firstOffset, one.length])).toEqual([
    ["b", 7, 1],
    ["a", 4, 2],
  ]);
  expect([...again.next]).toEqual([
    ["a", 6],
    ["b", 8],
  ]);
  expect(read.complete).toBe(true);
});

test("positions and times that make no sense are refused before anything is sent", () => {
  const place = { storeId: "x", space: "s", peer: recorder().peer, lastOffset };
  for (const options of [{ minOffset: -1 }, { limit: 1.5 }, { maxOffset: 2 ** 53 }, { minOffset: 2n ** 60n }]) {
    expect(() => new SpaceRead(place, options, codec)).toThrow(
      expect.objectContaining({ reason: "INVALID_FIELD", fieldViolations: [expect.anything()] }),
    );
  }
  const read = new SpaceRead(place, { minTime: new Date(Number.NaN) }, codec);
  expect(() => read.open(signal)).toThrow(expect.objectContaining({ reason: "INVALID_FIELD" }));
});
