import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Contention } from "./contention.ts";

/** A contention with a clock that the test moves and a constant random number. */
function atRest(random = 0.5) {
  let now = 1_000_000;
  const contention = new Contention({ now: () => now, random: () => random });
  return {
    contention,
    pass: (millis: number) => {
      now += millis;
    },
    /** Commits without a pause, and returns the number of commits before the writer steps aside. */
    burst(most: number): number {
      for (let count = 1; count <= most; count++) {
        now += 10;
        contention.committed(10);
        if (contention.pauseBeforeNext() > 0) return count;
      }
      return Number.POSITIVE_INFINITY;
    },
  };
}

describe("a writer", () => {
  it("that is alone and busy steps aside about once a second, for a few commits' time", () => {
    const { contention, pass, burst } = atRest();
    for (let round = 0; round < 3; round++) {
      expect(burst(1_000)).toBeGreaterThan(90);
      expect(contention.pauseBeforeNext()).toBeCloseTo(30);
      pass(contention.pauseBeforeNext());
    }
  });

  it("with competitors steps aside after every few commits, until it has seen none for a while", () => {
    const { contention, pass, burst } = atRest();
    burst(50);
    contention.others();
    expect(burst(100)).toBe(8);
    pass(contention.pauseBeforeNext());
    expect(burst(100)).toBe(8);
    pass(2_000);
    expect(burst(100)).toBe(Number.POSITIVE_INFINITY);
  });

  it("that is not busy never waits", () => {
    const { contention, pass } = atRest();
    contention.others();
    for (let count = 0; count < 100; count++) {
      pass(100);
      contention.committed(10);
      expect(contention.pauseBeforeNext()).toBe(0);
    }
  });

  it("with a conflict retries at once, then after a pause that shrinks with every conflict", () => {
    const { contention } = atRest(1);
    expect(contention.conflicted(10, 1)).toBe(0);
    const pauses = [2, 4, 8, 16].map((conflicts) => contention.conflicted(10, conflicts));
    expect(pauses).toEqual([40, 20, 10, 5]);
  });

  it("never waits longer than a second, regardless of its measurements", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60_000), fc.nat(5_000), fc.boolean()), { maxLength: 50 }), (events) => {
        const { contention, pass } = atRest(0.999);
        events.forEach(([millis, idle, others], index) => {
          pass(idle);
          if (others) contention.others();
          expect(contention.conflicted(millis, 1 + (index % 5))).toBeLessThanOrEqual(1_000);
          contention.committed(millis);
          expect(contention.pauseBeforeNext()).toBeLessThanOrEqual(1_000);
        });
      }),
    );
  });
});
