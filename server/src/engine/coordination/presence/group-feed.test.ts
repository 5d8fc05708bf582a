/** Tests that subscribers of any speed learn the state of the group, and need no queue. */
import { create, fromBinary } from "@bufbuild/protobuf";
import { SubscribeToWorkersResponseSchema, type Worker, WorkerSchema } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Roster } from "../../../../test/roster.ts";
import { FeedReader } from "./feed-reader.ts";
import { GroupFeed } from "./group-feed.ts";
import type { GroupMessage } from "./group-message.ts";

let registrations = 1n;

function worker(id: string, labelBytes = 0): Worker {
  return create(WorkerSchema, { id, metadata: { k: "x".repeat(labelBytes) }, registration: registrations++ });
}

function groupOf(workers: Iterable<Worker>): Map<string, Worker> {
  return new Map([...workers].map((each) => [each.id, each]));
}

const encoding = (message: GroupMessage) => Buffer.concat(message.encoded());

/** A subscriber that reads on command. */
function subscribe(feed: GroupFeed) {
  const reader = new FeedReader(feed);
  const roster = new Roster();
  const take = (): GroupMessage => {
    const message = reader.next();
    const decoded = fromBinary(SubscribeToWorkersResponseSchema, encoding(message));
    // The message for JSON and the binary encoding must agree.
    expect(decoded).toEqual(message.message());
    roster.apply(decoded);
    return message;
  };
  return {
    roster,
    take,
    wants: () => reader.wants(feed.head),
    catchUp(): GroupMessage[] {
      const messages: GroupMessage[] = [];
      while (reader.wants(feed.head)) messages.push(take());
      roster.apply(reader.heartbeat().message());
      return messages;
    },
  };
}

describe("a subscriber", () => {
  it("learns at once that the group is empty", () => {
    const { catchUp, roster } = subscribe(new GroupFeed());
    expect(catchUp().map((each) => each.message().event.case)).toEqual(["snapshotComplete"]);
    expect(roster.inventories).toBe(1);
  });

  it("gets a snapshot in messages of 32 KiB, then only the changed workers", () => {
    const feed = new GroupFeed();
    const group = groupOf(Array.from({ length: 1_000 }, (_, index) => worker(`w${index}`, 4_090)));
    feed.update(group);
    const { catchUp, roster } = subscribe(feed);
    const snapshot = catchUp().map((each) => encoding(each).length);
    expect(Math.max(...snapshot)).toBeLessThan(40 * 1024);
    expect(snapshot.length).toBeLessThan(135);
    expect(roster.workers.size).toBe(1_000);
    group.set("w7", worker("w7", 10));
    group.delete("w8");
    feed.update(group);
    const [change, ...more] = catchUp();
    expect(more).toEqual([]);
    expect(change!.message().event.value).toMatchObject({ workers: [{ id: "w7" }], left: ["w8"] });
    expect(encoding(change!).length).toBeLessThan(100);
  });

  it("that is slow gets the current state in one message", () => {
    const feed = new GroupFeed();
    const group = groupOf([worker("a"), worker("b")]);
    feed.update(group);
    const { catchUp, roster } = subscribe(feed);
    catchUp();
    for (let round = 0; round < 1_000; round++) {
      group.set("a", worker("a"));
      group.delete("b");
      feed.update(group);
      group.set("b", worker("b"));
      feed.update(group);
    }
    expect(catchUp().map((each) => each.message().event.value)).toMatchObject([
      { workers: [{ id: "a" }, { id: "b" }], left: [] },
    ]);
    expect(roster.snapshots).toBe(1);
  });

  it("that is too slow for the workers that left gets another snapshot, even an empty one", () => {
    const feed = new GroupFeed();
    const { catchUp, roster } = subscribe(feed);
    feed.update(groupOf([worker("stays")]));
    catchUp();
    for (let round = 0; round < 4_200; round++) feed.update(groupOf([worker("stays"), worker(`w${round}`)]));
    catchUp();
    expect(roster.snapshots).toBe(2);
    expect(roster.workers.size).toBe(2);
    for (let round = 0; round < 4_200; round++) feed.update(groupOf([worker(`w${round}`)]));
    feed.update(new Map());
    catchUp();
    expect(roster.snapshots).toBe(3);
    expect(roster.workers.size).toBe(0);
  });

  it("gets the same bytes as all others at its position", () => {
    const feed = new GroupFeed();
    const group = groupOf(Array.from({ length: 100 }, (_, index) => worker(`w${index}`, 4_000)));
    feed.update(group);
    const [one, two] = [subscribe(feed), subscribe(feed)];
    const messages = one.catchUp();
    expect(two.catchUp().every((each, index) => each === messages[index])).toBe(true);
    group.delete("w3");
    feed.update(group);
    expect(one.take()).toBe(two.take());
  });
});

it("readers that start and read at any time know the group once they have read everything", () => {
  const id = fc.integer({ min: 0, max: 30 }).map((n) => `w${n}`);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ join: id, bytes: fc.constantFrom(0, 4_000, 40_000) }) },
    { weight: 5, arbitrary: fc.record({ leave: id }) },
    { weight: 1, arbitrary: fc.record({ churn: fc.integer({ min: 1, max: 5_000 }) }) },
    { weight: 2, arbitrary: fc.constant({ subscribe: true }) },
    { weight: 8, arbitrary: fc.record({ read: fc.nat(5) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const feed = new GroupFeed();
      const group = new Map<string, Worker>();
      const readers = [subscribe(feed)];
      for (const each of steps) {
        if ("join" in each) group.set(each.join, worker(each.join, each.bytes));
        else if ("leave" in each) group.delete(each.leave);
        else if ("churn" in each) {
          for (let n = 0; n < each.churn; n++) {
            group.set(`passing-${n}`, worker(`passing-${n}`));
            feed.update(group);
            group.delete(`passing-${n}`);
            feed.update(group);
          }
        } else if ("subscribe" in each) readers.push(subscribe(feed));
        else {
          const reader = readers[each.read % readers.length];
          if (reader.wants()) reader.take();
        }
        feed.update(group);
      }
      for (const { catchUp, roster } of readers) {
        catchUp();
        expect([...roster.workers.values()].map(({ registration }) => registration).sort()).toEqual(
          [...group.values()].map(({ registration }) => registration).sort(),
        );
      }
    }),
    { numRuns: 60 },
  );
});
