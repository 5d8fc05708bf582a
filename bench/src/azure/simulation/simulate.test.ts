import { describe, expect, it } from "vitest";
import { PACE } from "../../../../server/src/engine/commit/contention.ts";
import { MAX_GROUP_APPENDS, rowsOf } from "./policy.ts";
import { Random } from "./random.ts";
import { RUTHLESS, rivalry } from "./rivals.ts";
import type { Scenario, StorageModel } from "./scenario.ts";
import { simulate } from "./simulate.ts";

const always = (millis: number) => Array.from({ length: 21 }, () => millis);
const storage = (changes: Partial<StorageModel> = {}): StorageModel => ({
  latency: { transaction: always(10), pointRead: always(8), query: always(9) },
  serviceMillis: { transaction: 0, pointRead: 0, query: 0 },
  entitiesPerSecond: Number.POSITIVE_INFINITY,
  requestsPerSecond: Number.POSITIVE_INFINITY,
  retryAfterMillis: 100,
  ...changes,
});
const base: Scenario = {
  seed: 1,
  instances: 1,
  spaces: "one",
  writers: 8,
  arrivals: { kind: "closed" },
  storage: storage(),
  commitMillis: 2,
  otherMillis: 0,
  processors: 0,
  turnaroundMillis: 1,
  warmUpMillis: 1_000,
  millis: 20_000,
};

/** Scenarios of all kinds, the same in each run. */
function* anyScenarios(count: number): Generator<Scenario> {
  const random = new Random(7);
  const from = (low: number, high: number) => low + random.next() * (high - low);
  for (let seed = 1; seed <= count; seed++) {
    const fastest = from(0.5, 30);
    yield {
      ...base,
      seed,
      instances: Math.ceil(from(0, 5)),
      spaces: random.next() < 0.5 ? "one" : "each",
      writers: Math.ceil(from(0, 40)),
      arrivals: random.next() < 0.5 ? { kind: "closed" } : { kind: "poisson", perSecond: from(1, 800) },
      storage: storage({
        latency: {
          transaction: [fastest, fastest * from(1, 3), fastest * from(3, 10)],
          pointRead: [fastest / 2, fastest],
          query: [fastest, fastest * 2],
        },
        serviceMillis: { transaction: from(0, 3), pointRead: from(0, 1), query: from(0, 3) },
        entitiesPerSecond: random.next() < 0.5 ? Number.POSITIVE_INFINITY : from(100, 4_000),
        requestsPerSecond: random.next() < 0.5 ? Number.POSITIVE_INFINITY : from(20, 500),
      }),
      commitMillis: from(0, 5),
      otherMillis: from(0, 5),
      processors: Math.floor(from(0, 3)),
      millis: 5_000,
    };
  }
}

describe("the simulation", () => {
  it("repeats itself for the same seed, and differs for another one", () => {
    for (const scenario of anyScenarios(20)) {
      const outcome = simulate(scenario);
      expect(simulate(scenario)).toEqual(outcome);
      expect(simulate({ ...scenario, seed: scenario.seed + 1_000 }).digest).not.toBe(outcome.digest);
    }
  });

  it("commits one group per round trip and its work, without others", () => {
    const outcome = simulate({ ...base, pace: RUTHLESS });
    expect(outcome.commitsPerSecond).toBeCloseTo(1_000 / 12, 0);
    expect(outcome.readsPerCommit).toBe(0);
    // The first ack brings one append. The others arrive while that append is under way.
    expect(outcome.appendsPerCommit).toBeCloseTo(4, 1);
  });

  it("has no conflicts if each instance has a space of its own", () => {
    for (const scenario of anyScenarios(40)) {
      if (scenario.spaces === "one" && scenario.instances > 1) continue;
      expect(simulate(scenario).conflictsPerCommit || 0, JSON.stringify(scenario)).toBe(0);
    }
  });

  it("scales with spaces if nothing is shared, but not beyond a storage with one thread", () => {
    const four = { ...base, instances: 4, spaces: "each", pace: RUTHLESS } as const;
    expect(simulate(four).commitsPerSecond / simulate({ ...base, pace: RUTHLESS }).commitsPerSecond).toBeCloseTo(4, 1);
    const oneThread = storage({ serviceMillis: { transaction: 10, pointRead: 0, query: 0 } });
    expect(simulate({ ...four, storage: oneThread }).commitsPerSecond).toBeCloseTo(100, 0);
  });

  it("does not scale beyond shared processors", () => {
    const four = { ...base, instances: 4, spaces: "each", commitMillis: 8, otherMillis: 4, pace: RUTHLESS } as const;
    expect(simulate(four).commitsPerSecond).toBeCloseTo(4_000 / 18, 0);
    expect(simulate({ ...four, processors: 1 }).commitsPerSecond).toBeCloseTo(1_000 / 12, 0);
    expect(simulate({ ...four, processors: 2 }).commitsPerSecond).toBeCloseTo(2_000 / 12, 0);
    expect(simulate({ ...four, processors: 100 }).commitsPerSecond).toBeCloseTo(4_000 / 18, 0);
  });

  it("never exceeds the limits of its partitions and its account", () => {
    for (const scenario of anyScenarios(60)) {
      const { entitiesPerSecond, requestsPerSecond } = scenario.storage;
      const partitions = scenario.spaces === "one" ? 1 : scenario.instances;
      const outcome = simulate(scenario);
      // The savings of a tenth of a second may be used once, and the last request may overdraw.
      const burst = (limit: number, largest: number) => (limit * 0.1 + largest) / (scenario.millis / 1_000);
      const entities = partitions * (entitiesPerSecond + burst(entitiesPerSecond, rowsOf(MAX_GROUP_APPENDS)));
      expect(outcome.entitiesPerSecond, JSON.stringify(scenario)).toBeLessThanOrEqual(entities);
      const requests =
        outcome.commitsPerSecond * (1 + (outcome.conflictsPerCommit || 0) + (outcome.readsPerCommit || 0));
      expect(requests || 0, JSON.stringify(scenario)).toBeLessThanOrEqual(
        requestsPerSecond + burst(requestsPerSecond, 1),
      );
    }
  });

  it("is throttled under too much load, and still reaches most of the limit", () => {
    const asked = { ...base, arrivals: { kind: "poisson", perSecond: 900 } } as const;
    const outcome = simulate({ ...asked, storage: storage({ entitiesPerSecond: 2_000 }) });
    expect(outcome.throttledPerSecond).toBeGreaterThan(0);
    expect(outcome.entitiesPerSecond).toBeGreaterThan(1_000);
    expect(simulate(asked).throttledPerSecond).toBe(0);
  });

  it("keeps up with random arrivals below its capacity", () => {
    const outcome = simulate({ ...base, arrivals: { kind: "poisson", perSecond: 50 }, millis: 100_000 });
    expect(outcome.appendsPerSecond).toBeGreaterThan(47);
    expect(outcome.appendsPerSecond).toBeLessThan(53);
  });
});

describe("instances that share a space", () => {
  it.each([5, 20])("get their shares, and together reach at least 80 % of one alone, at $0 ms", (latency) => {
    for (const instances of [2, 4]) {
      const { slowestShare, commits, conflictsPerCommit } = rivalry(PACE, instances, latency);
      expect(slowestShare).toBeGreaterThan(0.6);
      expect(commits).toBeGreaterThanOrEqual(0.8);
      expect(conflictsPerCommit).toBeGreaterThan(0.05);
    }
  });

  it.each([5, 20])("starve the others if they never yield, at $0 ms", (latency) => {
    for (const instances of [2, 4]) expect(rivalry(RUTHLESS, instances, latency).slowestShare).toBeLessThan(0.1);
  });

  it.each([5, 20])("cost a single instance 7 % at most, at $0 ms", (latency) => {
    const { appends, slowestShare, conflictsPerCommit } = rivalry(PACE, 1, latency);
    expect(appends).toBeGreaterThan(0.93);
    expect({ slowestShare, conflictsPerCommit }).toEqual({ slowestShare: 1, conflictsPerCommit: 0 });
  });
});
