import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SubscribeToWorkersResponseSchema } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { Roster } from "./roster.ts";

type Event = MessageInitShape<typeof SubscribeToWorkersResponseSchema>["event"];

const start = (...ids: string[]): Event => ({
  case: "changes",
  value: { snapshotStart: true, workers: ids.map((id) => ({ id, registration: BigInt(id.charCodeAt(0)) })) },
});
const complete = (workerCount: number, digest: number): Event => ({
  case: "snapshotComplete",
  value: { workerCount, digest: BigInt(digest) },
});
const A = 97;
const B = 98;

function seen(...events: Event[]): Roster {
  const roster = new Roster();
  for (const event of events) roster.add(create(SubscribeToWorkersResponseSchema, { event }));
  return roster;
}

it("combines a snapshot and changes", () => {
  const change: Event = { case: "changes", value: { left: ["a"], state: { workerCount: 1, digest: BigInt(B) } } };
  expect(seen(start("b", "a")).complete).toBe(false);
  expect(seen(start("b", "a"), complete(2, A ^ B)).match([{ id: "a" }, { id: "b" }])).toBeUndefined();
  expect(seen(start("b", "a"), complete(2, A ^ B), change).match([{ id: "b" }])).toBeUndefined();
  expect(seen(complete(0, 0)).match([])).toBeUndefined();
  expect(seen(complete(0, 0), start("a"), complete(1, A)).match([{ id: "a" }])).toBeUndefined();
});

it.each<[string, string, Event[]]>([
  ["a wrong count", "names 2 workers", [start("a"), complete(2, A)]],
  ["a wrong digest", "names 1 workers", [start("a"), complete(1, B)]],
  ["a snapshot without start", "without snapshot_start", [{ case: "changes", value: { workers: [{ id: "a" }] } }]],
  ["an early heartbeat", "before snapshot_complete", [{ case: "heartbeat", value: {} }]],
  ["a second mark", "without a snapshot", [complete(0, 0), complete(0, 0)]],
  ["a state in a snapshot", "a state before", [{ case: "changes", value: { snapshotStart: true, state: {} } }]],
  ["no event", "without event", [{ case: undefined }]],
  ["no registration", "no registration", [{ case: "changes", value: { snapshotStart: true, workers: [{ id: "a" }] } }]],
  ["a response that is too large", "bytes", [start("a".repeat(3_200_000))]],
])("finds %s", (_, message, events) => {
  expect(seen(...events).broken).toContain(message);
});
