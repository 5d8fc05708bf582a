/**
 * LeaseService: one holder at a time, and tokens that rise for ever, on one instance and on two that share a storage.
 */
import { randomUUID } from "node:crypto";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { storageUnavailable } from "../src/errors.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { endInstances, failureOf, type Instance, makeInstance } from "./instance.ts";
import { type CommitFate, slowStorage } from "./slow-storage.ts";

const key = "billing";
const second = { seconds: 1n, nanos: 0 };

let storeId: string;
let instances: Instance[];

beforeEach(() => {
  storeId = randomUUID();
  instances = [];
});

afterEach(async () => {
  vi.useRealTimers();
  await endInstances(instances);
});

/** From now on, `vi.advanceTimersByTime` alone advances the wall clock and the monotonic clock. Timers keep running. */
function holdTime(): void {
  vi.useFakeTimers({ toFake: ["performance", "Date"] });
}

function start(count: number, clocks: readonly number[] = []): Instance[] {
  const storage = memoryStorage({ shared: count > 1 });
  instances = Array.from({ length: count }, (_, index) =>
    makeInstance(storage, { clock: () => Date.now() * 1_000 + (clocks[index] ?? 0) * 1_000_000 }),
  );
  return instances;
}

const acquire = ({ leases }: Instance, holder: string, ttl = { seconds: 60n, nanos: 0 }) =>
  leases.acquireLease({ storeId, key, holder, ttl });

describe.each([
  ["one instance", 1],
  ["two instances", 2],
])("a lease on %s", (_, count) => {
  it("has one holder at a time, renews for it, and gives others a retry delay", async () => {
    const [a, b = a] = start(count);
    const { lease } = await acquire(a, "one");
    expect(lease).toMatchObject({ key, holder: "one", fencingToken: 1n });
    const held = await failureOf(acquire(b, "two"));
    expect(held).toMatchObject({ reason: ErrorReason.LEASE_HELD, retryable: true });
    expect(Number(held?.retryAfter?.seconds)).toBeGreaterThan(55);
    expect((await acquire(b, "one")).lease).toMatchObject({ holder: "one", fencingToken: 1n });
    expect((await b.leases.getLease({ storeId, key })).lease).toMatchObject({ holder: "one", fencingToken: 1n });
    const claim = { storeId, key, holder: "one", fencingToken: 1n };
    expect((await b.leases.renewLease(claim)).lease).toMatchObject({ fencingToken: 1n });
    for (const wrong of [{ holder: "two" }, { fencingToken: 2n }]) {
      expect(await failureOf(a.leases.renewLease({ ...claim, ...wrong }))).toMatchObject({
        reason: ErrorReason.LEASE_LOST,
        retryable: false,
      });
      await a.leases.releaseLease({ ...claim, ...wrong });
    }
    expect((await a.leases.listLeases({ storeId })).leases).toMatchObject([{ key, holder: "one" }]);
    await a.leases.releaseLease(claim);
    await a.leases.releaseLease(claim);
    expect(await failureOf(b.leases.getLease({ storeId, key }))).toMatchObject({ reason: ErrorReason.NOT_FOUND });
    expect(await failureOf(b.leases.renewLease(claim))).toMatchObject({ reason: ErrorReason.LEASE_LOST });
    expect((await b.leases.listLeases({ storeId })).leases).toEqual([]);
    expect((await acquire(b, "two")).lease).toMatchObject({ holder: "two", fencingToken: 2n });
  });

  it("goes to another holder once it has expired, with a larger token, and is lost to the first", async () => {
    // The clocks differ by five minutes, which must not matter.
    const [a, b = a] = start(count, [0, 300]);
    holdTime();
    await acquire(a, "one", second);
    for (const millis of [0, 500, 499]) {
      vi.advanceTimersByTime(millis);
      expect(await failureOf(acquire(b, "two"))).toMatchObject({ reason: ErrorReason.LEASE_HELD });
    }
    vi.advanceTimersByTime(1);
    expect((await acquire(b, "two")).lease).toMatchObject({ holder: "two", fencingToken: 2n });
    expect((await a.leases.getLease({ storeId, key })).lease).toMatchObject({ holder: "two", fencingToken: 2n });
    const renewal = a.leases.renewLease({ storeId, key, holder: "one", fencingToken: 1n });
    expect(await failureOf(renewal)).toMatchObject({ reason: ErrorReason.LEASE_LOST });
  });

  it("without observers is free after its ttl on the instance that renewed it last", async () => {
    const [a] = start(count);
    holdTime();
    await acquire(a, "one", second);
    const claim = { storeId, key, holder: "one", fencingToken: 1n };
    vi.advanceTimersByTime(900);
    await a.leases.renewLease(claim);
    vi.advanceTimersByTime(1_000);
    expect(await failureOf(a.leases.getLease({ storeId, key }))).toMatchObject({ reason: ErrorReason.NOT_FOUND });
    expect(await failureOf(a.leases.renewLease(claim))).toMatchObject({ reason: ErrorReason.LEASE_LOST });
    expect((await acquire(a, "two")).lease).toMatchObject({ holder: "two", fencingToken: 2n });
  });

  it("that is renewed in time never expires", async () => {
    const [a, b = a] = start(count, [0, -300]);
    holdTime();
    await acquire(a, "one", second);
    for (let round = 0; round < 8; round++) {
      vi.advanceTimersByTime(990);
      await a.leases.renewLease({ storeId, key, holder: "one", fencingToken: 1n });
      expect(await failureOf(acquire(b, "two"))).toMatchObject({ reason: ErrorReason.LEASE_HELD });
    }
  });

  it("goes to one of many competitors, and each acquisition has a token of its own", async () => {
    const members = start(count);
    const tokens: bigint[] = [];
    const contender = async (name: string, at: Instance): Promise<void> => {
      for (let rounds = 0; rounds < 5; ) {
        const response = await acquire(at, name).catch((error) => {
          const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
          if (detail?.reason !== ErrorReason.LEASE_HELD) throw error;
          return undefined;
        });
        if (response?.lease === undefined) {
          await new Promise(setImmediate);
          continue;
        }
        rounds++;
        tokens.push(response.lease.fencingToken);
        await at.leases.releaseLease({ storeId, key, holder: name, fencingToken: response.lease.fencingToken });
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, index) => contender(`c${index}`, members[index % count])));
    expect(tokens.map(Number).sort((x, y) => x - y)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  });

  it("is listed by prefix and page, while it is live", async () => {
    const [a, b = a] = start(count);
    const lease = (name: string) => a.leases.acquireLease({ storeId, key: name, holder: "h" });
    for (const name of ["b2", "a1", "b1", "b3", "c1"]) await lease(name);
    await a.leases.releaseLease({ storeId, key: "b2", holder: "h", fencingToken: 1n });
    const first = await b.leases.listLeases({ storeId, prefix: "b", pageSize: 1 });
    expect(first.leases.map((each) => each.key)).toEqual(["b1"]);
    const next = await b.leases.listLeases({ storeId, prefix: "b", pageSize: 1, pageToken: first.nextPageToken });
    expect(next).toMatchObject({ leases: [{ key: "b3" }], nextPageToken: "" });
    expect((await b.leases.listLeases({ storeId })).leases.length).toBe(4);
  });
});

it("a lease has a single holder, even if requests or answers of its writes get lost", async () => {
  const fates: CommitFate[] = ["lost-answer", "lost-request", "answered"];
  let at = 0;
  const storage = slowStorage(memoryStorage({ shared: true }), {
    turns: () => 2,
    fate: () => fates[at++ % fates.length],
    failure: () => storageUnavailable("lost", undefined, 1),
  });
  instances = [makeInstance(storage), makeInstance(storage)];
  for (let round = 1n; round <= 5n; round++) {
    const { lease } = await acquire(instances[Number(round) % 2], "one");
    expect(lease?.fencingToken).toBe(round);
    await instances[0].leases.releaseLease({ storeId, key, holder: "one", fencingToken: round });
  }
});

it("invalid requests are refused, and create nothing", async () => {
  const [a] = start(1);
  const bad: [string, Promise<unknown>][] = [
    ["key", a.leases.acquireLease({ storeId, holder: "h" })],
    ["holder", a.leases.acquireLease({ storeId, key })],
    ["ttl", a.leases.acquireLease({ storeId, key, holder: "h", ttl: { seconds: 0n, nanos: 999_000_000 } })],
    ["ttl", a.leases.acquireLease({ storeId, key, holder: "h", ttl: { seconds: 86_401n, nanos: 0 } })],
    ["fencing_token", a.leases.renewLease({ storeId, key, holder: "h" })],
    ["store_id", a.leases.getLease({ key })],
  ];
  for (const [field, call] of bad) {
    expect(await failureOf(call)).toMatchObject({ reason: ErrorReason.INVALID_FIELD, fieldViolations: [{ field }] });
  }
  expect(await failureOf(a.leases.getLease({ storeId, key }))).toMatchObject({ reason: ErrorReason.NOT_FOUND });
  await a.leases.releaseLease({ storeId, key, holder: "h", fencingToken: 1n });
  expect((await a.stores.listStores({})).stores).toEqual([]);
});

it("tokens keep rising after a restart, and the lease survives it", async () => {
  const storage = memoryStorage();
  const before = makeInstance(storage);
  await acquire(before, "one");
  await before.leases.acquireLease({ storeId, key: "other", holder: "one" });
  await before.leases.releaseLease({ storeId, key: "other", holder: "one", fencingToken: 1n });
  await before[Symbol.asyncDispose]();
  const after = makeInstance(storage);
  instances = [after];
  expect(await failureOf(acquire(after, "two"))).toMatchObject({ reason: ErrorReason.LEASE_HELD });
  const renewed = await after.leases.renewLease({ storeId, key, holder: "one", fencingToken: 1n });
  expect(renewed.lease).toMatchObject({ holder: "one" });
  const { lease } = await after.leases.acquireLease({ storeId, key: "other", holder: "two" });
  expect(lease).toMatchObject({ holder: "two", fencingToken: 2n });
});
