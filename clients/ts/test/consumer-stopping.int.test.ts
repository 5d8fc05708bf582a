/** How a consumer ends: what it still does, what it leaves for the next start, and how long it takes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fill, openStore, type Store } from "./consumer-store.ts";
import { type RunningServer, startServer } from "./peers.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** The values that a consumer handles until there are so many. */
async function restOf(store: Store, count: number): Promise<number[]> {
  const seen: number[] = [];
  const consumer = store.consumer({ name: "c", spaces: ["orders"], handler: ({ value }) => void seen.push(value.n) });
  const running = consumer.run();
  await expect.poll(() => seen.length).toBe(count);
  await consumer.stop();
  await running;
  return seen;
}

describe("stop(), while an entry is tried again and again", () => {
  it("ends the pause before the next attempt; the entry comes again at the next start, and what is behind it", async () => {
    const store = openStore(server);
    await fill(store, 3, 1);
    const failed = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      handler({ value }) {
        attempts.push(value.n);
        if (value.n === 1) throw new Error("outage");
      },
      onFailure() {
        failed.resolve();
        return { retryAfterMillis: 3_600_000 };
      },
    });
    const running = consumer.run();
    await failed.promise;
    await consumer.stop();
    await running;
    expect(consumer.state.name).toBe("stopped");
    expect(attempts).toEqual([0, 1]);
    expect(await restOf(store, 2)).toEqual([1, 2]);
  });

  it("makes no further attempt when the one that runs has failed, and begins nothing behind it", async () => {
    const store = openStore(server);
    await fill(store, 3, 1);
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const consumer = store.consumer({
      name: "c",
      spaces: ["orders"],
      async handler({ value }) {
        attempts.push(value.n);
        begun.resolve();
        await end.promise;
      },
      onFailure: () => ({ retryAfterMillis: 0 }),
    });
    const running = consumer.run();
    await begun.promise;
    const stopped = consumer.stop();
    end.reject(new Error("outage"));
    await stopped;
    await running;
    expect(attempts).toEqual([0]);
    expect(await restOf(store, 3)).toEqual([0, 1, 2]);
  });
});
