/** Two instances on one storage. Live streams and calls of one see the changes of the other, with a bus and without. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { NotificationSchema } from "@streamkit/protocol/notification";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../src/bus/port.ts";
import { changedStorage } from "../src/storage/changed-storage.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Storage } from "../src/storage/port.ts";
import { endInstances, type Instance, type InstanceOptions, makeInstance } from "./instance.ts";

const space = "orders";
const payload = (text: string) => ({ payload: Buffer.from(text) });

/** A bus that delivers messages asynchronously, and keeps them for the test. */
class TestBus implements Bus {
  readonly kind = "test";
  readonly location = "this test";
  readonly sent: { topic: string; message: Uint8Array }[] = [];
  /** Number of deliveries of each message. */
  copies = 1;
  readonly #listeners = new Set<{ topic: string; listener: (message: Uint8Array) => void }>();

  get listening(): string[] {
    return [...this.#listeners].map(({ topic }) => topic);
  }

  publish(topic: string, message: Uint8Array): void {
    this.sent.push({ topic, message });
    for (let copy = 0; copy < this.copies; copy++) {
      setImmediate(() => {
        for (const each of this.#listeners) if (each.topic === topic) each.listener(message);
      });
    }
  }

  subscribe(topic: string, listener: (message: Uint8Array) => void): Disposable {
    const entry = { topic, listener };
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => this.#listeners.delete(entry) };
  }

  async close(): Promise<void> {}
}

/** Counts the requests of an instance. */
function counted(inner: Storage): { storage: Storage; requests: () => number } {
  let requests = 0;
  const counting = <Args extends unknown[], Result>(method: (...args: Args) => Result) => {
    return (...args: Args) => {
      requests++;
      return method(...args);
    };
  };
  const storage = changedStorage(inner, (store) => ({
    get: counting(store.get.bind(store)),
    getMany: counting(store.getMany.bind(store)),
    scan: counting(store.scan.bind(store)),
    commit: counting(store.commit.bind(store)),
  }));
  return { storage, requests: () => requests };
}

const NEVER = 600_000;

let memory: Storage;
let storeId: string;
let open: Instance[];

beforeEach(() => {
  memory = memoryStorage({ shared: true });
  storeId = randomUUID();
  open = [];
});

afterEach(() => endInstances(open));

function instance(options: InstanceOptions, storage: Storage = memory): Instance {
  const made = makeInstance(storage, options);
  open.push(made);
  return made;
}

const append = ({ stream }: Instance, segment: string, text: string) =>
  stream.append({ storeId, space, appends: [{ segment, records: [payload(text)] }] });

/** Follows a space in the background. */
function follow({ stream }: Instance) {
  const texts: string[] = [];
  const stop = new AbortController();
  const caughtUp = Promise.withResolvers<void>();
  const ended = (async () => {
    try {
      const responses = stream.consumeSpace({ storeId, space, follow: true }, { signal: stop.signal });
      for await (const { batches, caughtUp: head } of responses) {
        for (const { records } of batches) for (const r of records) texts.push(Buffer.from(r.payload).toString());
        if (head) caughtUp.resolve();
      }
      return undefined;
    } catch (error) {
      return ConnectError.from(error).findDetails(ErrorDetailSchema)[0]?.reason;
    }
  })();
  return { texts, stop: () => stop.abort(), caughtUp: caughtUp.promise, ended };
}

describe("a follower", () => {
  it("sees the commits of another instance by polling alone", async () => {
    const [a, b] = [instance({ pollMillis: NEVER }), instance({ pollMillis: 20 })];
    const follower = follow(b);
    await follower.caughtUp;
    for (let count = 0; count < 5; count++) {
      await append(a, "s", String(count));
      await expect.poll(() => follower.texts.length).toBe(count + 1);
    }
    expect(follower.texts).toEqual(["0", "1", "2", "3", "4"]);
    follower.stop();
    await follower.ended;
  });

  it("sees them through the bus long before the next poll, even if hints arrive twice", async () => {
    const bus = new TestBus();
    bus.copies = 2;
    const [a, b] = [instance({ pollMillis: NEVER, bus }), instance({ pollMillis: NEVER, bus })];
    const follower = follow(b);
    await follower.caughtUp;
    expect(bus.listening).toEqual([storeId]);
    for (let count = 0; count < 20; count++) await append(a, `s${count % 3}`, String(count));
    await expect.poll(() => follower.texts).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
    follower.stop();
    await follower.ended;
  });

  it("costs no request of its own: all followers of a space share one poll, which ends with the last of them", async () => {
    const { storage, requests } = counted(memory);
    const [a, b] = [instance({ pollMillis: NEVER }), instance({ pollMillis: 300 }, storage)];
    await append(a, "s", "first");
    const followers = Array.from({ length: 50 }, () => follow(b));
    await Promise.all(followers.map(({ caughtUp }) => caughtUp));
    const before = requests();
    const begin = performance.now();
    await append(a, "s", "second");
    await expect.poll(() => followers.filter(({ texts }) => texts.length === 2).length).toBe(50);
    // One request each for polls without news, for the poll with news, and for the new rows. A slow machine has time
    // for more.
    const polls = (performance.now() - begin) / 300;
    expect(requests() - before).toBeLessThan(20 + 2 * polls);
    for (const { stop } of followers) stop();
    await Promise.all(followers.map(({ ended }) => ended));
    await delay(350);
    const after = requests();
    await delay(700);
    expect(requests()).toBe(after);
  });

  it("misses nothing if it is far behind and its instance cannot keep up", async () => {
    const [a, b] = [instance({ pollMillis: NEVER }), instance({ pollMillis: NEVER })];
    const stop = new AbortController();
    const responses = b.stream.consumeSpace({ storeId, space, follow: true }, { signal: stop.signal });
    const stream = responses[Symbol.asyncIterator]();
    await stream.next();
    // The ring of the instance has its own writes, but not the many writes of the other instance in between.
    await append(b, "s", "first");
    const records = Array.from({ length: 1_000 }, () => payload("x"));
    for (let count = 0; count < 5; count++)
      await a.stream.append({ storeId, space, appends: [{ segment: "t", records }] });
    await append(b, "s", "last");
    let next = 1n;
    while (next <= 5_002n) {
      const { value } = await stream.next();
      for (const { firstOffset, records } of value.batches) {
        expect(firstOffset).toBe(next);
        next += BigInt(records.length);
      }
    }
    stop.abort();
    await stream.return?.().catch(() => {});
  });

  it("is not disturbed by hints that are forged, old, for other stores, or malformed", async () => {
    const bus = new TestBus();
    const { storage, requests } = counted(memory);
    const [a, b] = [instance({ pollMillis: NEVER, bus }), instance({ pollMillis: NEVER, bus }, storage)];
    await append(a, "s", "first");
    const follower = follow(b);
    await follower.caughtUp;
    const before = requests();
    const forged = [
      { storeId, spaces: [{ space, revision: 2n ** 64n - 1n }] },
      { storeId, spaces: [{ space: "another", revision: 9n }] },
      { storeId, spaces: [{ space, revision: 1n }] },
      { storeId: randomUUID(), spaces: [{ space, revision: 9n }], storeDeleted: true },
    ];
    for (let count = 0; count < 500; count++) {
      for (const fields of forged)
        bus.publish(storeId, toBinary(NotificationSchema, create(NotificationSchema, fields)));
      bus.publish(storeId, Buffer.from("not a message"));
      await delay(0);
    }
    // Two thousand hints led to a few reads, and the follower kept its position.
    expect(requests() - before).toBeLessThan(25);
    await append(a, "s", "second");
    await expect.poll(() => follower.texts, { timeout: 5_000 }).toEqual(["first", "second"]);
    follower.stop();
    await follower.ended;
  });
});

describe("a store that another instance deletes", () => {
  it("ends live streams with NOT_FOUND: at the next poll", async () => {
    const [a, b] = [instance({ pollMillis: 20 }), instance({ pollMillis: 20 })];
    await append(a, "s", "first");
    const follower = follow(b);
    await follower.caughtUp;
    await a.stores.deleteStore({ storeId });
    expect(await follower.ended).toBe(ErrorReason.NOT_FOUND);
  });

  it("ends live streams with NOT_FOUND: at once with a bus, and a false alarm changes nothing", async () => {
    const bus = new TestBus();
    const [a, b] = [instance({ pollMillis: NEVER, bus }), instance({ pollMillis: NEVER, bus })];
    await append(a, "s", "first");
    const follower = follow(b);
    await follower.caughtUp;
    const alarm = create(NotificationSchema, { storeId, storeDeleted: true });
    bus.publish(storeId, toBinary(NotificationSchema, alarm));
    await append(a, "s", "second");
    await expect.poll(() => follower.texts).toEqual(["first", "second"]);
    await a.stores.deleteStore({ storeId });
    expect(await follower.ended).toBe(ErrorReason.NOT_FOUND);
  });

  it("is empty for the next call, and either instance can write it again", async () => {
    const [a, b] = [instance({}), instance({})];
    const calls: Record<string, (at: Instance) => Promise<unknown>> = {
      peek: async ({ stream }) => (await stream.peek({ storeId, space, segment: "s" })).entry,
      status: async ({ stream }) => (await stream.getSpaceStatus({ storeId, space })).status?.lastOffset,
      list: async ({ stream }) => (await stream.listSegments({ storeId, space })).segments.length,
      read: async ({ stream }) => {
        let count = 0;
        for await (const { batches } of stream.consumeSpace({ storeId, space })) count += batches.length;
        return count;
      },
    };
    const empty: Record<string, unknown> = { peek: undefined, status: 0n, list: 0, read: 0 };
    for (const [name, call] of Object.entries(calls)) {
      await append(a, "s", "first");
      await append(b, "s", "second");
      await a.stores.deleteStore({ storeId });
      expect(await call(b), name).toEqual(empty[name]);
    }
    await append(b, "s", "first");
    await a.stores.deleteStore({ storeId });
    const { ranges } = await append(b, "s", "again");
    expect(ranges).toMatchObject([{ firstSequence: 1n, firstOffset: 1n }]);
    await b.stores.deleteStore({ storeId });
    const session = a.stream.produce(
      (async function* () {
        yield { storeId, space, appends: [{ segment: "s", records: [payload("in a session")] }] };
      })(),
    );
    for await (const result of session) expect(result.ranges).toMatchObject([{ firstSequence: 1n }]);
  });

  it("ends a waiting Produce session, and GetStore does not find the store", async () => {
    const [a, b] = [instance({}), instance({ pollMillis: 20 })];
    const more = Promise.withResolvers<void>();
    const session = b.stream.produce(
      (async function* () {
        yield { storeId, space, appends: [{ segment: "s", records: [payload("first")] }] };
        await more.promise;
      })(),
    );
    const results = session[Symbol.asyncIterator]();
    await results.next();
    expect((await b.stores.getStore({ storeId })).store).toMatchObject({ storeId });
    await a.stores.deleteStore({ storeId });
    const reasonOf = (call: Promise<unknown>) =>
      call.then(
        () => undefined,
        (error) => ConnectError.from(error).findDetails(ErrorDetailSchema)[0]?.reason,
      );
    expect(await reasonOf(b.stores.getStore({ storeId }))).toBe(ErrorReason.NOT_FOUND);
    await append(a, "s", "again");
    await a.stores.deleteStore({ storeId });
    expect(await reasonOf(results.next())).toBe(ErrorReason.NOT_FOUND);
    more.resolve();
  });

  it("during the removal of trimmed rows does not make that removal fail", async () => {
    const [a, b] = [instance({}), instance({ pollMillis: NEVER })];
    for (let count = 1; count <= 20; count++) await append(b, "s", String(count));
    await b.stream.trimSegment({ storeId, space, segment: "s", beforeSequence: 20n });
    await a.stores.deleteStore({ storeId });
    await b.settle(storeId);
  });

  it("and creates again is not taken for the old one", async () => {
    const [a, b] = [instance({}), instance({ pollMillis: NEVER })];
    for (const text of ["old 1", "old 2", "old 3"]) await append(a, "s", text);
    const follower = follow(b);
    await follower.caughtUp;
    await append(b, "s", "old 4");
    await a.stores.deleteStore({ storeId });
    // More entries than before, so that numbers alone prove nothing.
    for (let count = 1; count <= 8; count++) await append(a, "s", `new ${count}`);
    const { ranges } = await append(b, "s", "new 9");
    expect(ranges).toMatchObject([{ firstSequence: 9n, firstOffset: 9n }]);
    expect(await follower.ended).toBe(ErrorReason.NOT_FOUND);
    const found: string[] = [];
    for await (const { batches } of b.stream.consumeSpace({ storeId, space })) {
      for (const { records } of batches) for (const r of records) found.push(Buffer.from(r.payload).toString());
    }
    expect(found).toEqual(Array.from({ length: 9 }, (_, index) => `new ${index + 1}`));
  });
});
