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

/** What was measured in a round with one instance, that a prediction for more of them starts from. */
export interface Calibration {
  /** Latency of requests without others, as quantiles in milliseconds. */
  readonly latency: Readonly<Record<RequestKind, readonly number[]>>;
  /** Mean latency of a transaction without others and without a delay. */
  readonly transactionMillis: number;
  /** The part of it in which the storage serves nobody else. */
  readonly serviceMillis: number;
  /** What one instance reached, and the CPU time that all processes together needed for a commit. */
  readonly commitsPerSecond: number;
  readonly cpuPerCommit: number | undefined;
}

const SIMULATED_MILLIS = 30_000;

/** The scenario for a cell. */
export function scenarioOf({ instances, spaces, delayMillis }: Cell, calibration: Calibration): Scenario {
  const { latency, transactionMillis, serviceMillis, commitsPerSecond, cpuPerCommit } = calibration;
  // Reads are served by the same thread. Nobody tells for how long, so for the same part of what they take.
  const share = Math.min(1, serviceMillis / transactionMillis);
  const serviceOf = (kind: RequestKind) => Math.max(0, meanOf(latency[kind]) - delayMillis) * share;
  const transaction = meanOf(latency.transaction);
  // What one instance reached it reached in the time that it did not step aside.
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
    // What nobody waits for keeps others waiting all the same, once all processors are busy.
    otherMillis: Math.max(0, (cpuPerCommit ?? 0) - commitMillis),
    processors: availableParallelism(),
    turnaroundMillis: commitMillis,
    warmUpMillis: SIMULATED_MILLIS / 10,
    millis: SIMULATED_MILLIS,
  };
}

/** What the simulation says about a cell. */
export function predict(cell: Cell, calibration: Calibration): Outcome {
  return simulate(scenarioOf(cell, calibration));
}

/** A cell as it was measured, and as it was predicted from the same round. */
export interface Comparison {
  readonly cell: Cell;
  readonly measured: Sample;
  readonly predicted: Outcome;
}

/** How far off the prediction is: (predicted - measured) / measured. */
export function errorOf(predicted: number, measured: number): number {
  return predicted === measured ? 0 : (predicted - measured) / measured;
}

/** Puts predictions beside what was measured: the medians of each over the rounds, and of the errors of the rounds. */
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
        cellLabel(rounds[0]!.cell),
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
