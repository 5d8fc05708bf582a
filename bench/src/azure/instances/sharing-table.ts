import type { Sample } from "../../peers/peer.ts";
import type { Rounds } from "../../report/comparison.ts";
import { figure, type Table } from "../../report/table.ts";
import { summarize } from "../../tools/statistics.ts";
import { cellLabel, cellsOf } from "./cell.ts";

/** Least share of one instance's commits that several instances on one space must reach together. */
const LEAST = 0.5;

/** How several instances share one space, and whether they always reach at least `LEAST` of a single instance. */
export function sharingTable(rounds: Rounds, delays: readonly number[]): Table {
  const rows: string[][] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const delayMillis of delays) {
    const cells = cellsOf(delayMillis).filter(({ spaces }) => spaces === "one");
    const alone = rounds.get(cellLabel(cells[0]));
    for (const cell of cells) {
      const samples = rounds.get(cellLabel(cell));
      if (samples === undefined || alone === undefined) continue;
      const ratio = ratioOf(samples, alone, "commits");
      least = Math.min(least, ratio.median);
      const median = (value: (sample: Sample) => number) => figure(summarize(samples.map(value)).median);
      rows.push([
        `${cell.instances}${delayMillis === 0 ? "" : `, +${delayMillis} ms`}`,
        median(({ commits }) => commits!),
        ...[ratio.median, ratio.min, ratio.max].map(figure),
        cell.instances === 1 ? "-" : verdict(ratio.median),
        figure(ratioOf(samples, alone, "appends").median),
        median(({ slowestShare }) => slowestShare!),
        median(({ conflictsPerCommit }) => conflictsPerCommit!),
        median(({ conflictsPerCommit, readsPerCommit }) => 1 + conflictsPerCommit! + readsPerCommit!),
        ...[median(({ p50 }) => p50!), median(({ p99 }) => p99!)],
      ]);
    }
  }
  return {
    caption:
      "Instances on one space, all together (medians of the rounds). Target: one space never below " +
      `${figure(LEAST)} of one instance: ${rows.length === 0 ? "-" : verdict(least)}`,
    columns: [
      ...["instances, delay", "commits/s", "of 1 instance", "min", "max", "target", "appends of 1 instance"],
      ...["slowest share", "conflicts per commit", "requests per commit", "p50 ms", "p99 ms"],
    ],
    rows,
  };
}

function ratioOf(samples: readonly Sample[], alone: readonly Sample[], metric: string) {
  return summarize(samples.map((sample, round) => sample[metric] / alone[round][metric]));
}

function verdict(ratio: number): string {
  return ratio >= LEAST ? "met" : "MISSED";
}
