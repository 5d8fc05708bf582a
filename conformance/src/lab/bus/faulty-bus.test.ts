import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { NotificationSchema } from "@streamkit/protocol/notification";
import type { Bus } from "@streamkit/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BUS_WEATHER, type BusWeatherName } from "./bus-weather.ts";
import { FaultyBus } from "./faulty-bus.ts";
import { FrameReader, frameOf } from "./frames.ts";

const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/** A bus without a network: listeners receive messages at once. */
function plainBus(): Bus {
  const listeners = new Map<object, { topic: string; listener: (message: Uint8Array) => void }>();
  return {
    kind: "plain",
    location: "here",
    publish(topic, message) {
      for (const each of listeners.values()) if (each.topic === topic) each.listener(message);
    },
    subscribe(topic, listener) {
      const key = {};
      listeners.set(key, { topic, listener });
      return { [Symbol.dispose]: () => listeners.delete(key) };
    },
    close: async () => listeners.clear(),
  };
}

function hint(revision: number): Uint8Array {
  const spaces = [{ space: "orders", revision: BigInt(revision) }];
  return toBinary(NotificationSchema, create(NotificationSchema, { storeId, spaces }));
}

describe("a faulty bus", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Sends revisions 1 to 200. Resolves to the revisions that arrive, and the number of other messages. */
  async function arriving(name: BusWeatherName): Promise<{ revisions: number[]; others: number }> {
    const bus = new FaultyBus(plainBus(), BUS_WEATHER[name], 1);
    const revisions: number[] = [];
    let others = 0;
    bus.subscribe(storeId, (message) => {
      const { spaces } = (() => {
        try {
          return fromBinary(NotificationSchema, message);
        } catch {
          return { spaces: [] };
        }
      })();
      const revision = Number(spaces[0]?.revision ?? -1n);
      if (spaces.length === 1 && spaces[0].space === "orders" && revision >= 1 && revision <= 200)
        revisions.push(revision);
      else others += 1;
    });
    for (let revision = 1; revision <= 200; revision++) bus.publish(storeId, hint(revision));
    await vi.advanceTimersByTimeAsync(5_000);
    await bus.close();
    return { revisions, others };
  }

  const all = Array.from({ length: 200 }, (_, index) => index + 1);

  it("passes everything on in fair weather", async () => {
    expect(await arriving("fair")).toEqual({ revisions: all, others: 0 });
  });

  it("loses", async () => {
    const { revisions } = await arriving("lossy");
    expect(revisions.length).toBeGreaterThan(50);
    expect(revisions.length).toBeLessThan(150);
  });

  it("repeats", async () => {
    const { revisions } = await arriving("repeating");
    expect(new Set(revisions).size).toBe(200);
    expect(revisions.length).toBeGreaterThan(300);
  });

  it("reorders", async () => {
    const { revisions } = await arriving("reordering");
    expect(revisions).not.toEqual(all);
    expect(revisions.toSorted((a, b) => a - b)).toEqual(all);
  });

  it("forges", async () => {
    expect((await arriving("forging")).others).toBeGreaterThan(100);
  });

  it("is dead", async () => {
    expect(await arriving("dead")).toEqual({ revisions: [], others: 0 });
  });

  it("sends nothing to former listeners, not even late messages", async () => {
    const bus = new FaultyBus(plainBus(), BUS_WEATHER.late, 1);
    const listener = vi.fn();
    const subscription = bus.subscribe(storeId, listener);
    bus.publish(storeId, hint(1));
    subscription[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(listener).not.toHaveBeenCalled();
    await bus.close();
  });
});

describe("frames", () => {
  it("are assembled from chunks of any size", () => {
    const sent = [1, 2, 3].map((length) => ({ topic: `t${length}`, message: new Uint8Array(length * 7).fill(length) }));
    const bytes = Buffer.concat(sent.map(({ topic, message }) => frameOf(topic, message)));
    for (const size of [1, 5, bytes.length]) {
      const reader = new FrameReader();
      const received = [];
      for (let start = 0; start < bytes.length; start += size) {
        received.push(...reader.read(bytes.subarray(start, start + size)));
      }
      expect(received).toEqual(sent);
    }
  });
});
