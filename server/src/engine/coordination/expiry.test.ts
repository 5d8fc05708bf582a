import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLOCK_TOLERANCE_MICROS, Expiry } from "./expiry.ts";

describe("a row that its owner must renew", () => {
  it("is valid for its ttl after the first observation, with any clock", () => {
    let now = 5_000;
    const expiry = new Expiry(
      () => 1_700_000_000_000_000,
      () => now,
    );
    // The clock of the writer is minutes behind. By that clock, the row has long expired.
    const row = { version: 1, ttlMillis: 1_000, expireTimeMicros: 1_700_000_000_000_000 - CLOCK_TOLERANCE_MICROS + 1 };
    expect(expiry.remaining("a", row)).toBe(1_000);
    now += 999;
    expect(expiry.remaining("a", row)).toBe(1);
    now += 1;
    expect(expiry.remaining("a", row)).toBe(0);
    expect(expiry.remaining("a", { ...row, version: 2 })).toBe(1_000);
    expect(expiry.remaining("b", row)).toBe(1_000);
  });

  it("is observed from its write by the instance that wrote it, even without reads", () => {
    let now = 5_000;
    const expiry = new Expiry(
      () => 1_700_000_000_000_000,
      () => now,
    );
    const row = { version: 2, ttlMillis: 1_000, expireTimeMicros: 1_700_000_000_000_000 };
    expiry.remaining("a", { ...row, version: 1 });
    now += 400;
    expiry.written("a", 2);
    now += 999;
    expect(expiry.remaining("a", row)).toBe(1);
    now += 1;
    expect(expiry.remaining("a", row)).toBe(0);
  });

  it("is never valid for more than its ttl", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (now) => {
        const expiry = new Expiry(
          () => 1_700_000_000_000_000,
          () => now,
        );
        const row = { version: 1, ttlMillis: 30_000, expireTimeMicros: 1_700_000_030_000_000 };
        expect(expiry.remaining("a", row)).toBe(30_000);
      }),
    );
  });

  it("has expired without observation if it is overdue by more than clocks may differ", () => {
    const clock = 1_700_000_000_000_000;
    const expiry = new Expiry(() => clock);
    const row = { version: 1, ttlMillis: 86_400_000, expireTimeMicros: clock - CLOCK_TOLERANCE_MICROS - 1 };
    expect(expiry.remaining("a", row)).toBe(0);
    expect(expiry.remaining("a", { ...row, expireTimeMicros: clock - CLOCK_TOLERANCE_MICROS })).toBeGreaterThan(
      86_000_000,
    );
  });

  it("that expired long ago does not displace observed rows", () => {
    let now = 5_000;
    const clock = 1_700_000_000_000_000;
    const expiry = new Expiry(
      () => clock,
      () => now,
    );
    const watched = { version: 1, ttlMillis: 10_000, expireTimeMicros: clock };
    expiry.remaining("watched", watched);
    now += 4_000;
    for (let i = 0; i < 20_000; i++)
      expiry.remaining(`old ${i}`, { ...watched, expireTimeMicros: clock - CLOCK_TOLERANCE_MICROS - 1 });
    expect(expiry.remaining("watched", watched)).toBe(6_000);
  });

  it("never expires for an observer before it expires for its owner", () => {
    // Times of the owner's renewals and of the observer's reads, on one true clock, and the error of the observer's
    // clock.
    const plan = fc.record({
      ttl: fc.integer({ min: 1_000, max: 10_000 }),
      steps: fc.array(
        fc.record({ wait: fc.nat(4_000), travel: fc.nat(500), what: fc.constantFrom("renew", "look", "look") }),
        { minLength: 1, maxLength: 40 },
      ),
      offset: fc.integer({ min: -300_000_000, max: 300_000_000 }),
    });
    fc.assert(
      fc.property(plan, ({ ttl, steps, offset }) => {
        let now = 0;
        let version = 0;
        let ownerUntil = ttl;
        let expireTimeMicros = ttl * 1_000;
        const expiry = new Expiry(
          () => now * 1_000 + offset,
          () => now,
        );
        for (const { wait, travel, what } of steps) {
          now += wait;
          if (what === "renew") {
            // The owner counts from before its request. The row changes when the request arrives.
            const sent = now;
            now += travel;
            if (sent + ttl < now) continue;
            version++;
            ownerUntil = sent + ttl;
            expireTimeMicros = (now + ttl) * 1_000;
          } else if (expiry.remaining("lease", { version, ttlMillis: ttl, expireTimeMicros }) === 0) {
            expect(now).toBeGreaterThanOrEqual(ownerUntil);
            return;
          }
        }
      }),
    );
  });
});
