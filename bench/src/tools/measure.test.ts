import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { measureLoops } from "./measure.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const taking = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis));

describe("measureLoops", () => {
  it("counts turns that end in the measured part, and also measures those under way at the end", async () => {
    const loops = measureLoops(2, { warmUpMillis: 82, millis: 20 }, (lane) => taking(lane === 0 ? 5 : 10));
    await vi.advanceTimersByTimeAsync(200);
    const { count, durations } = await loops;
    // They end at 85, 90, 95, 100 and 90, 100; the turns that end at 105 and 110 are too late.
    expect(count).toBe(6);
    expect([...durations]).toEqual([5, 5, 5, 5, 5, 10, 10, 10]);
  });

  it("shows a lane without a finished turn by its duration", async () => {
    const loops = measureLoops(1, { warmUpMillis: 5, millis: 10 }, () => taking(60));
    await vi.advanceTimersByTimeAsync(200);
    const { count, durations } = await loops;
    expect(count).toBe(0);
    expect([...durations]).toEqual([60]);
  });

  it("has a result even if the period ends before it begins", async () => {
    const loops = measureLoops(2, { warmUpMillis: 0, millis: 0 }, () => taking(7));
    await vi.advanceTimersByTimeAsync(200);
    const { count, durations } = await loops;
    expect(count).toBe(0);
    expect([...durations]).toEqual([7, 7]);
  });
});
