import { type Comparison, comparisonTable, type Rounds, targetAtLeast } from "../../report/comparison.ts";
import { figure, type Table } from "../../report/table.ts";
import { summarize } from "../../tools/statistics.ts";
import { type Cell, cellLabel, cellsOf } from "./cell.ts";

/** Figures of a sample, with their names. Raw limits have some of them. */
const METRICS: Readonly<Record<string, string>> = {
  appends: "appends/s",
  appendsPerCommit: "appends per commit",
  rowsPerCommit: "rows per commit",
  conflictsPerCommit: "conflicts per commit",
  readsPerCommit: "reads per commit",
  failures: "failures",
  slowestShare: "slowest share",
  p50: "p50 ms",
  p99: "p99 ms",
  cpuPerCommit: "CPU ms per commit",
  ofRaw: "of raw",
};

/** Every label with the medians of its figures. */
export function instanceTable(rounds: Rounds): Table {
  return {
    caption: "Figures (medians of the rounds)",
    columns: ["subject", "commits/s", "min", "max", ...Object.values(METRICS)],
    rows: [...rounds].map(([label, samples]) => {
      const { median, min, max } = summarize(samples.map(({ commits }) => commits!));
      return [
        label,
        ...[median, min, max].map(figure),
        ...Object.keys(METRICS).map((metric) =>
          samples[0][metric] === undefined ? "-" : figure(summarize(samples.map((sample) => sample[metric])).median),
        ),
      ];
    }),
  };
}

/** Compares spaces with one writing instance each: they must scale as far as the storage does. */
export function scalingComparisons(rounds: Rounds, delays: readonly number[]): Table {
  const comparisons = delays.flatMap((delayMillis) => {
    const [alone, ...others] = cellsOf(delayMillis);
    return others.filter(({ spaces }) => spaces === "each").flatMap((cell) => comparisonsOf(cell, cellLabel(alone!)));
  });
  return {
    ...comparisonTable(rounds, comparisons),
    caption: "Instances on a space each (median of the per-round results)",
  };
}

function comparisonsOf(cell: Cell, against: string): Comparison[] {
  const common = { ours: cellLabel(cell), against, by: "ratio" } as const;
  return [
    { ...common, metric: "commits", bounds: [] },
    { ...common, metric: "ofRaw", bounds: [targetAtLeast(0.8)] },
  ];
}
