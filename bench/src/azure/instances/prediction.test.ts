import { describe, expect, it } from "vitest";
import type { Cell } from "./cell.ts";
import { type Calibration, errorOf, predict, predictionTable, scenarioOf } from "./prediction.ts";

const always = (millis: number) => Array.from({ length: 21 }, () => millis);
const calibration: Calibration = {
  latency: { transaction: always(24), pointRead: always(22), query: always(26) },
  transactionMillis: 4,
  serviceMillis: 3,
  // One commit per 25 ms, in the 928 ms of each second in which the instance does not yield.
  commitsPerSecond: 37.12,
  cpuPerCommit: 5,
};
const one: Cell = { instances: 1, spaces: "one", delayMillis: 20 };

describe("a prediction", () => {
  it("takes the time of one instance beyond the latency as the work of a commit", () => {
    expect(scenarioOf(one, calibration).commitMillis).toBeCloseTo(1);
    expect(scenarioOf(one, calibration).otherMillis).toBeCloseTo(4);
    expect(scenarioOf(one, { ...calibration, cpuPerCommit: undefined }).otherMillis).toBe(0);
  });

  it("takes the same share of each latency without the delay as the storage's exclusive work", () => {
    const { serviceMillis } = scenarioOf(one, calibration).storage;
    expect(serviceMillis.transaction).toBeCloseTo(3);
    expect(serviceMillis.pointRead).toBeCloseTo(1.5);
    expect(serviceMillis.query).toBeCloseTo(4.5);
  });

  it("reproduces the result of one instance", () => {
    expect(predict(one, calibration).commitsPerSecond).toBeCloseTo(37.12, 0);
  });

  it("has an error", () => {
    expect(errorOf(150, 100)).toBe(0.5);
    expect(errorOf(50, 100)).toBe(-0.5);
    expect(errorOf(0, 0)).toBe(0);
  });

  it("is shown beside the measurement, by medians of the rounds", () => {
    const predicted = predict(one, calibration);
    const measured = (commits: number) => ({ commits, conflictsPerCommit: 0, slowestShare: 1 });
    const rounds = [10, predicted.commitsPerSecond, 80].map((commits) => ({
      cell: one,
      measured: measured(commits),
      predicted,
    }));
    const [row] = predictionTable(new Map([["streamkit 1 instance +20 ms", rounds]])).rows;
    expect(row?.slice(0, 3)).toEqual(["streamkit 1 instance +20 ms", "37.2", "37.2"]);
    expect(row?.[3]).toMatch(/^[+-]0 %$/);
  });
});
