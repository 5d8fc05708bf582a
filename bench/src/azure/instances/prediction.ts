import { availableParallelism } from "node:os";
import { PACE } from "../../../../server/src/engine/commit/contention.ts";
import type { Sample } from "../../peers/peer.ts";
import { figure, type Table } from "../../report/table.ts";
import { meanOf } from "../../tools/quantiles.ts";
import { summarize } from "../../tools/statistics.ts";
import type { Outcome, RequestKind, Scenario } from "../simulation/scenario.ts";
import { simulate } from "../simulation/simulate.ts";
import { type Cell, cellLabel } from "./cell.ts";
import { WRITERS } from "./measure-cell.ts";

/** The measurements of a round with one instance, from which the simulation predicts several instances. */
export interface Calibration {
  /** Latency of requests without others, as quantiles in milliseconds. */
  readonly latency: Readonly<Record<RequestKind, readonly number[]>>;
  /** Mean latency of a transaction without others and without a delay. */
  readonly transactionMillis: number;
  /** The part of that latency in which the storage serves no other request. */
  readonly serviceMillis: number;
  /** The rate of one instance, and the CPU time of all processes per commit. */
  readonly commitsPerSecond: number;
  readonly cpuPerCommit: number | undefined;
}

const SIMULATED_MILLIS = 30_000;

/** The scenario for a cell. */
export function scenarioOf({ instances, spaces, delayMillis }: Cell, calibration: Calibration): Scenario {
  const { latency, transactionMillis, serviceMillis, commitsPerSecond, cpuPerCommit } = calibration;
  // The same thread serves reads. Its time for a read is unknown, so assume the same share of the latency.
  const share = Math.min(1, serviceMillis / transactionMillis);
  const serviceOf = (kind: RequestKind) => Math.max(0, meanOf(latency[kind]) - delayMillis) * share;
  const transaction = meanOf(latency.transaction);
  // The single instance reached its rate in the time in which it did not yield.
  const busy = Math.max(0, 1 - (PACE.yieldCommits * transaction) / PACE.yieldEveryMillis);
  const commitMillis = Math.max(0, (1_000 * busy) / commitsPerSecond - transaction);
  return {
    seed: 1,
    instances,
    spaces,
    writers: WRITERS,
    arrivals: { kind: "closed" },
    storage: {
      latency,
      serviceMillis: {
        transaction: serviceOf("transaction"),
        pointRead: serviceOf("pointRead"),
        query: serviceOf("query"),
      },
      entitiesPerSecond: Number.POSITIVE_INFINITY,
      requestsPerSecond: Number.POSITIVE_INFINITY,
      retryAfterMillis: 1_000,
    },
    commitMillis,
    // Work outside of the commit path still delays others once all processors are busy.
    otherMillis: Math.max(0, (cpuPerCommit ?? 0) - commitMillis),
    processors: availableParallelism(),
    turnaroundMillis: commitMillis,
    warmUpMillis: SIMULATED_MILLIS / 10,
    millis: SIMULATED_MILLIS,
  };
}

/** The prediction of the simulation for a cell. */
export function predict(cell: Cell, calibration: Calibration): Outcome {
  return simulate(scenarioOf(cell, calibration));
}

/** A measured cell, and the prediction for it from the same round. */
export interface Comparison {
  readonly cell: Cell;
  readonly measured: Sample;
  readonly predicted: Outcome;
}

/** The error of a prediction: (predicted - measured) / measured. */
export function errorOf(predicted: number, measured: number): number {
  return predicted === measured ? 0 : (predicted - measured) / measured;
}

/** Compares predictions with measurements: the medians of each over the rounds, and the medians of the errors. */
export function predictionTable(comparisons: ReadonlyMap<string, readonly Comparison[]>): Table {
  return {
    caption: "Prediction of the simulation, from what was measured with one instance in the same round",
    columns: [
      ...["cell", "commits/s measured", "predicted", "error", "conflicts/commit measured", "predicted", "error"],
      ...["slowest share measured", "predicted"],
    ],
    rows: [...comparisons.values()].map((rounds) => {
      const median = (value: (comparison: Comparison) => number) => summarize(rounds.map(value)).median;
      const percent = (value: number) =>
        Number.isFinite(value) ? `${value >= 0 ? "+" : ""}${(value * 100).toFixed(0)} %` : "-";
      return [
        cellLabel(rounds[0].cell),
        figure(median(({ measured }) => measured.commits!)),
        figure(median(({ predicted }) => predicted.commitsPerSecond)),
        percent(median(({ measured, predicted }) => errorOf(predicted.commitsPerSecond, measured.commits!))),
        figure(median(({ measured }) => measured.conflictsPerCommit!)),
        figure(median(({ predicted }) => predicted.conflictsPerCommit)),
        percent(
          median(({ measured, predicted }) => errorOf(predicted.conflictsPerCommit, measured.conflictsPerCommit!)),
        ),
        figure(median(({ measured }) => measured.slowestShare!)),
        figure(median(({ predicted }) => predicted.slowestShare)),
      ];
    }),
  };
}
