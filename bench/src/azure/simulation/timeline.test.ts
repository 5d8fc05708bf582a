import { describe, expect, it } from "vitest";
import { Random } from "./random.ts";
import { Timeline } from "./timeline.ts";
import { TokenBucket } from "./token-bucket.ts";

describe("the timeline", () => {
  it("runs events in order of time, and of scheduling within one moment", () => {
    const timeline = new Timeline();
    const random = new Random(3);
    const happened: { at: number; order: number }[] = [];
    for (let order = 0; order < 500; order++) {
      const at = Math.floor(random.next() * 20);
      timeline.after(at, () => happened.push({ at: timeline.now, order }));
    }
    timeline.runUntil(30);
    expect(happened.length).toBe(500);
    expect(happened).toEqual([...happened].sort((a, b) => a.at - b.at || a.order - b.order));
  });

  it("counts the delay from the current event, and stops at the end", () => {
    const timeline = new Timeline();
    const times: number[] = [];
    const again = () => {
      times.push(timeline.now);
      timeline.after(10, again);
    };
    timeline.after(5, again);
    timeline.runUntil(30);
    expect(times).toEqual([5, 15, 25]);
    expect(timeline.now).toBe(30);
  });
});

describe("random numbers", () => {
  it("are spread evenly, and differ between neighbouring seeds", () => {
    const firsts = Array.from({ length: 1_000 }, (_, seed) => new Random(seed).next());
    expect(new Set(firsts).size).toBe(1_000);
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
    expect(mean).toBeGreaterThan(0.47);
    expect(mean).toBeLessThan(0.53);
  });

  it("come at the requested rate", () => {
    const random = new Random(5);
    let sum = 0;
    for (let index = 0; index < 10_000; index++) sum += random.exponential(0.25);
    expect(sum / 10_000).toBeGreaterThan(3.8);
    expect(sum / 10_000).toBeLessThan(4.2);
  });
});

describe("a token bucket", () => {
  it("gives out its savings, at most for a tenth of a second", () => {
    const bucket = new TokenBucket(1_000);
    expect(bucket.take(100, 0)).toBe(true);
    expect(bucket.take(1, 0)).toBe(false);
    expect(bucket.take(10, 10)).toBe(true);
    expect(bucket.take(1, 10)).toBe(false);
    expect(bucket.take(100, 100_000)).toBe(true);
    expect(bucket.take(1, 100_000)).toBe(false);
  });

  it("lets a larger request through, and nothing more until it has recovered", () => {
    const bucket = new TokenBucket(100);
    expect(bucket.take(68, 0)).toBe(true);
    expect(bucket.take(1, 579)).toBe(false);
    expect(bucket.take(1, 581)).toBe(true);
  });
});
