import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lanes } from "./lanes.ts";

/** Lanes whose items are functions, which they call one by one. */
function tasks(concurrency: number, onError: (error: unknown) => void): Lanes<() => Promise<void>> {
  return new Lanes({ concurrency, most: 1, handle: ([task]) => task(), onError });
}

describe("lanes", () => {
  it("keep the order within a key, run keys side by side, and never more than allowed", async () => {
    const plan = fc.record({
      keys: fc.array(fc.nat(4), { minLength: 1, maxLength: 60 }),
      turns: fc.array(fc.nat(3), { minLength: 1, maxLength: 10 }),
      concurrency: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ keys, turns, concurrency }) => {
        const order = new Map<number, number[]>();
        const active = new Set<number>();
        let most = 0;
        const lanes = tasks(concurrency, (error) => {
          throw error;
        });
        for (const [index, key] of keys.entries()) {
          lanes.add(String(key), async () => {
            expect(active.has(key)).toBe(false);
            active.add(key);
            most = Math.max(most, active.size);
            for (let turn = turns[index % turns.length]; turn > 0; turn--) await Promise.resolve();
            order.set(key, [...(order.get(key) ?? []), index]);
            active.delete(key);
          });
        }
        await lanes.fewerThan(1);
        expect([...order.values()].flat().length).toBe(keys.length);
        for (const indexes of order.values()) expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
        expect(most).toBeLessThanOrEqual(concurrency);
        expect(most).toBe(Math.min(concurrency, new Set(keys).size, most));
      }),
    );
  });

  it("use all the places they have", async () => {
    const lanes = tasks(3, () => {});
    let active = 0;
    let most = 0;
    for (let key = 0; key < 9; key++) {
      lanes.add(String(key), async () => {
        most = Math.max(most, ++active);
        await new Promise(setImmediate);
        active--;
      });
    }
    await lanes.fewerThan(1);
    expect(most).toBe(3);
  });

  it("begin nothing after a failure, and wait for what runs", async () => {
    const failures: unknown[] = [];
    const lanes = tasks(2, (error) => failures.push(error));
    const slow = Promise.withResolvers<void>();
    const ran: string[] = [];
    lanes.add("a", async () => {
      throw new Error("a failed");
    });
    lanes.add("a", async () => void ran.push("a2"));
    lanes.add("b", async () => {
      await slow.promise;
      ran.push("b1");
    });
    lanes.add("b", async () => void ran.push("b2"));
    await lanes.fewerThan(1);
    const stopped = lanes.stop();
    slow.resolve();
    await stopped;
    expect(ran).toEqual(["b1"]);
    expect(failures).toMatchObject([{ message: "a failed" }]);
  });

  it("handle what is there of a key together, up to a bound, and count items", async () => {
    const calls: string[] = [];
    let next = Promise.withResolvers<void>();
    const lanes = new Lanes<string>({
      concurrency: 1,
      most: 3,
      async handle(items) {
        calls.push(items.join(""));
        await next.promise;
      },
      onError: () => {},
    });
    for (const item of "abcd") lanes.add("one", item);
    lanes.add("two", "x");
    await lanes.fewerThan(6);
    expect(calls).toEqual(["abc"]);
    expect(lanes.size).toBe(5);
    lanes.add("one", "e");
    const room = lanes.fewerThan(4);
    next.resolve();
    next = Promise.withResolvers();
    await room;
    expect(lanes.size).toBe(3);
    next.resolve();
    await lanes.fewerThan(1);
    expect(calls).toEqual(["abc", "x", "de"]);
  });
});
