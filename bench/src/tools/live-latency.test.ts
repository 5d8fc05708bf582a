import { describe, expect, it } from "vitest";
import { type LiveStream, measureLive } from "./live-latency.ts";

const job = { stream: "s", followers: 3, perSecond: 1_000, period: { warmUpMillis: 5, millis: 20 } };

/** A stream in memory; `deliveries` says how often a follower gets each entry. */
function streamOf(deliveries: (entry: number) => number): LiveStream {
  const entries: Uint8Array[] = [];
  const takers: ((payload: Uint8Array) => void)[] = [];
  const deliver = (payload: Uint8Array, entry: number, take: (payload: Uint8Array) => void) => {
    for (let time = 0; time < deliveries(entry); time++) take(payload);
  };
  return {
    async append(payload) {
      entries.push(payload);
      for (const take of takers) deliver(payload, entries.length - 1, take);
    },
    async follow(take, signal) {
      takers.push(take);
      entries.forEach((payload, entry) => {
        deliver(payload, entry, take);
      });
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  };
}

describe("measureLive", () => {
  it("measures from the call, and from the ack if that comes first", async () => {
    const { p50, p99, sent50, sent99 } = await measureLive(
      job,
      streamOf(() => 1),
    );
    // The stream delivers before it acknowledges.
    expect([p50, p99]).toEqual([0, 0]);
    expect(sent50).toBeGreaterThanOrEqual(0);
    expect(sent99).toBeGreaterThanOrEqual(sent50);
  });

  it("fails if an entry arrives twice", async () => {
    await expect(
      measureLive(
        job,
        streamOf((entry) => (entry === 7 ? 2 : 1)),
      ),
    ).rejects.toThrow("entry 7 arrived 6 times at 3 followers");
  });

  it("fails with a follower", async () => {
    const stream = { ...streamOf(() => 1), follow: () => Promise.reject(new Error("gone")) };
    await expect(measureLive(job, stream)).rejects.toThrow("gone");
  });
});
