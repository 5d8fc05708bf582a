/** Keeping a lease and giving it up, with time moved by hand and a scripted server. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, LeaseService, RenewLeaseResponseSchema } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Contact } from "../transport/contact.ts";
import { opaquePeer } from "../transport/opaque-peer.ts";
import { Streams } from "../transport/streams.ts";
import { HeldLease } from "./held-lease.ts";
import type { Clocks } from "./moment.ts";

const TTL = 10_000;

function refusal(reason: ErrorReason): ConnectError {
  return new ConnectError("no", Code.FailedPrecondition, undefined, [{ desc: ErrorDetailSchema, value: { reason } }]);
}

/** A lease that was just taken, from a server whose answers to renewals are scripted. */
function hold(answer: (renewal: number) => Promise<void> | void) {
  let renewals = 0;
  const transport = createRouterTransport((router) => {
    router.service(LeaseService, {
      async renewLease() {
        await answer(++renewals);
        return create(RenewLeaseResponseSchema);
      },
    });
  });
  const settings = { transport, timeoutMillis: 30_000, contact: new Contact(undefined) };
  const context = {
    ...settings,
    retry: {},
    onRetry: undefined,
    peer: opaquePeer(settings),
    duplex: () => true,
    streams: new Streams("auto", settings.timeoutMillis),
  };
  let slept = 0;
  let jump = 0;
  const clocks: Clocks = { monotonic: () => performance.now() - slept, wall: () => Date.now() + jump };
  const lease = { key: "k", holder: "h", fencingToken: 7n, expireTime: new Date() };
  const sent = { monotonic: clocks.monotonic(), wall: clocks.wall() };
  const held = new HeldLease(context, "store", lease, TTL, sent, clocks);
  return {
    held,
    renewals: () => renewals,
    /** The machine sleeps: the monotonic clock stands still. */
    sleep: (millis: number) => {
      slept += millis;
    },
    /** The wall clock is set. */
    set: (millis: number) => {
      jump += millis;
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Moves time, and runs everything that is due, answers of the server included. */
async function pass(millis: number): Promise<void> {
  for (let left = millis; left > 0; left -= 100) {
    await vi.advanceTimersByTimeAsync(Math.min(100, left));
    for (let turn = 0; turn < 25; turn++) await new Promise(setImmediate);
  }
}

describe("a lease", () => {
  it("is renewed at a third of its ttl, and held for as long as that succeeds", async () => {
    const { held, renewals } = hold(() => {});
    await pass(60_000);
    expect(held.signal.aborted).toBe(false);
    expect(renewals()).toBeGreaterThanOrEqual(16);
    expect(renewals()).toBeLessThanOrEqual(19);
    await held.stop();
    await pass(60_000);
    expect(held.signal.aborted).toBe(false);
    expect(renewals()).toBeLessThanOrEqual(19);
  });

  it("is given up before its ttl is over when no renewal succeeds, counted from before the last one that did", async () => {
    const { held } = hold((renewal) => {
      if (renewal > 2) throw new ConnectError("gone", Code.Unavailable);
    });
    const begin = performance.now();
    const lostAt = new Promise<number>((resolve) => {
      held.signal.addEventListener("abort", () => resolve(performance.now() - begin));
    });
    await pass(30_000);
    // The second renewal was sent at two thirds of the ttl at the earliest.
    expect(await lostAt).toBeGreaterThan((2 * TTL) / 3);
    expect(await lostAt).toBeLessThan((2 * TTL) / 3 + 300 + TTL);
    expect(held.signal.reason).toMatchObject({ reason: "LEASE_LOST" });
    expect(() => held.check()).toThrow(/lost/);
    await held.stop();
  });

  it("is given up when renewals are never answered", async () => {
    const { held } = hold(() => new Promise(() => {}));
    await pass(9_400);
    expect(held.signal.aborted).toBe(false);
    await pass(200);
    expect(held.signal.aborted).toBe(true);
    await held.stop();
  });

  // The answer may come before the timers of a process that wakes up. The ttl that it proves is over already.
  it("is given up at once when the answer to a renewal comes too late", async () => {
    const answered = Promise.withResolvers<void>();
    const { held, set } = hold(() => answered.promise);
    await pass(TTL / 3 + 100);
    set(TTL);
    answered.resolve();
    for (let turn = 0; turn < 25; turn++) await new Promise(setImmediate);
    expect(held.signal.aborted).toBe(true);
    await held.stop();
  });

  // The process was frozen. When it wakes up, the timers of the renewal and of the end are due, in this order. A server
  // that counts a little longer would renew the lease just before the client gives it up, and no other holder could get
  // it for another ttl.
  it("is not renewed by who wakes up when it is over", async () => {
    const { held, renewals, set } = hold(() => {});
    set(TTL);
    await pass(TTL / 3 + 100);
    expect(held.signal.aborted).toBe(true);
    expect(renewals()).toBe(0);
    await held.stop();
  });

  // The timer of a process that slept goes on where it was.
  it("is given up soon after its machine woke up", async () => {
    const { held, set } = hold(() => {});
    await pass(500);
    set(3_600_000);
    await pass(TTL / 20);
    expect(held.signal.reason).toMatchObject({ reason: "LEASE_LOST" });
    await held.stop();
  });

  it("costs nothing once it is not held any more", async () => {
    const { held } = hold(() => {});
    await pass(TTL);
    await held.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("survives failures that pass", async () => {
    const { held } = hold((renewal) => {
      if (renewal % 3 !== 0) throw new ConnectError("busy", Code.Unavailable);
    });
    await pass(120_000);
    expect(held.signal.aborted).toBe(false);
    await held.stop();
  });

  it("is given up at once when the server says that it is lost", async () => {
    const { held, renewals } = hold(() => {
      throw refusal(ErrorReason.LEASE_LOST);
    });
    await pass(3_500);
    expect(renewals()).toBe(1);
    expect(held.signal.reason).toMatchObject({ reason: "LEASE_LOST" });
    await held.stop();
  });

  it("is not taken for held by who wakes up, whichever of its clocks stood still", async () => {
    const machine = hold(() => new Promise(() => {}));
    machine.sleep(0);
    machine.set(20_000);
    expect(() => machine.held.check()).toThrow(/not renewed in time/);
    const process = hold(() => new Promise(() => {}));
    process.set(-3_600_000);
    process.held.check();
    // Frozen: time passes, and no timer has run yet.
    vi.setSystemTime(Date.now() + 1);
    process.sleep(-20_000);
    expect(() => process.held.check()).toThrow(/not renewed in time/);
    await Promise.all([machine.held.stop(), process.held.stop()]);
  });
});
