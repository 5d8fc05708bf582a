/** Collecting the workers of a group, and detecting a lost change. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SubscribeToWorkersResponseSchema, type WorkerChangesSchema } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { Roster } from "./roster.ts";

type Changes = MessageInitShape<typeof WorkerChangesSchema>;

const changes = (value: Changes) => create(SubscribeToWorkersResponseSchema, { event: { case: "changes", value } });
const complete = (workerCount: number, digest: bigint) =>
  create(SubscribeToWorkersResponseSchema, { event: { case: "snapshotComplete", value: { workerCount, digest } } });
const heartbeat = (workerCount: number, digest: bigint) =>
  create(SubscribeToWorkersResponseSchema, { event: { case: "heartbeat", value: { workerCount, digest } } });
const lost = expect.objectContaining({ reason: "CONNECTION_LOST", retryable: true });

function known(): Roster {
  const roster = new Roster();
  roster.apply(changes({ snapshotStart: true, workers: [{ id: "b", registration: 2n }] }));
  roster.apply(changes({ workers: [{ id: "a", registration: 1n }] }));
  roster.apply(complete(2, 3n));
  return roster;
}

it("shows a snapshot when it is complete, by the bytes of the ids", () => {
  const roster = new Roster();
  const ids = ["\u{1F600}", "b", "\uFFFD", "B", "ba", "\uD7FF"];
  const workers = ids.map((id, index) => ({ id, registration: BigInt(2 ** index) }));
  expect(roster.apply(changes({ snapshotStart: true, workers }))).toBeUndefined();
  const sorted = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(roster.apply(complete(6, 63n))?.map(({ id }) => id)).toEqual(sorted);
});

it("shows a group without workers", () => {
  expect(new Roster().apply(complete(0, 0n))).toEqual([]);
});

it("applies changes, with those that left first", () => {
  const roster = known();
  const workers = [
    { id: "b", registration: 8n, metadata: { again: "yes" } },
    { id: "c", registration: 4n },
  ];
  const inventory = roster.apply(changes({ workers, left: ["c", "a"], state: { workerCount: 2, digest: 12n } }));
  expect(inventory).toMatchObject([{ id: "b", metadata: { again: "yes" } }, { id: "c" }]);
});

it("shows nothing in the middle of a large change, and nothing for a heartbeat", () => {
  const roster = known();
  expect(roster.apply(changes({ left: ["a"] }))).toBeUndefined();
  expect(roster.apply(changes({ left: ["b", "x"], state: {} }))).toEqual([]);
  expect(roster.apply(heartbeat(0, 0n))).toBeUndefined();
});

it("begins anew with another snapshot", () => {
  const roster = known();
  expect(roster.apply(changes({ snapshotStart: true, workers: [{ id: "z", registration: 7n }] }))).toBeUndefined();
  expect(roster.apply(complete(1, 7n))).toMatchObject([{ id: "z", registration: 7n }]);
});

it("finds out that a change was lost: of one worker more, one less, or another registration", () => {
  expect(() => known().apply(heartbeat(3, 7n))).toThrow(lost);
  expect(() => known().apply(heartbeat(1, 1n))).toThrow(lost);
  expect(() => known().apply(heartbeat(2, 9n))).toThrow(lost);
  expect(() => known().apply(changes({ left: ["a"], state: { workerCount: 2, digest: 3n } }))).toThrow(lost);
  expect(() => new Roster().apply(complete(1, 7n))).toThrow(lost);
  expect(known().apply(heartbeat(2, 3n))).toBeUndefined();
});
