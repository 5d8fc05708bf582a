import type { Sample } from "../peers/peer.ts";
import { summarize } from "../tools/statistics.ts";
import { figure, type Table } from "./table.ts";

/** The figures of each subject, by its label: one sample per round, all subjects in every round. */
export type Rounds = ReadonlyMap<string, readonly Sample[]>;

/** A bound for a comparison: a first target or an aim of the workload. */
interface Bound {
  readonly name: "target" | "aim";
  readonly sense: "at least" | "at most";
  readonly value: number;
}

/** A comparison of one of ours with another subject, in one metric. */
export interface Comparison {
  readonly ours: string;
  readonly against: string;
  readonly metric: string;
  /** ours / other, or ours - other. */
  readonly by: "ratio" | "difference";
  readonly bounds: readonly Bound[];
}

/** "At least `value`", as the first target. */
export const targetAtLeast = (value: number): Bound => ({ name: "target", sense: "at least", value });
/** "At most `value`", as the first target. */
export const targetAtMost = (value: number): Bound => ({ name: "target", sense: "at most", value });
/** "At least `value`", as the aim. */
export const aimAtLeast = (value: number): Bound => ({ name: "aim", sense: "at least", value });
/** "At most `value`", as the aim. */
export const aimAtMost = (value: number): Bound => ({ name: "aim", sense: "at most", value });

/** Every subject with median, minimum and maximum of every metric. `units` names the metrics and their units. */
export function figuresTable(rounds: Rounds, units: Readonly<Record<string, string>>): Table {
  const metrics = Object.keys(units);
  return {
    caption: "Figures",
    columns: ["subject", ...metrics.flatMap((metric) => [units[metric], "min", "max"])],
    rows: [...rounds].map(([label, samples]) => [
      label,
      ...metrics.flatMap((metric) => {
        const { median, min, max } = summarize(samples.map((sample) => sample[metric]));
        return [figure(median), figure(min), figure(max)];
      }),
    ]),
  };
}

/**
 * Compares ours with the others round by round. The median of the per-round results counts, so that a slow minute of
 * the machine affects both sides. Omits comparisons with subjects that did not take part.
 */
export function comparisonTable(rounds: Rounds, comparisons: readonly Comparison[]): Table {
  return {
    caption: "Comparisons (median of the per-round results)",
    columns: ["ours", "against", "metric", "result", "min", "max", "first target", "aim"],
    rows: comparisons.flatMap((comparison) => {
      const ours = rounds.get(comparison.ours);
      const others = rounds.get(comparison.against);
      return ours === undefined || others === undefined ? [] : [comparisonRow(comparison, ours, others)];
    }),
  };
}

function comparisonRow(comparison: Comparison, ours: readonly Sample[], others: readonly Sample[]): string[] {
  const { metric, by, bounds } = comparison;
  const results = ours.map((sample, round) => {
    const mine = sample[metric];
    const other = others[round][metric];
    return by === "ratio" ? mine / other : mine - other;
  });
  const { median, min, max } = summarize(results);
  const show = (value: number) =>
    by === "ratio" ? `${figure(value)} x` : `${value < 0 ? "" : "+"}${figure(value)} ms`;
  const verdict = (name: Bound["name"]) =>
    bounds
      .filter((bound) => bound.name === name)
      .map(({ sense, value }) => {
        const met = sense === "at least" ? median >= value : median <= value;
        return `${sense === "at least" ? ">=" : "<="} ${show(value)}: ${met ? "met" : "MISSED"}`;
      })
      .join(", ") || "-";
  return [
    comparison.ours,
    comparison.against,
    metric,
    show(median),
    show(min),
    show(max),
    verdict("target"),
    verdict("aim"),
  ];
}

/** Compares each of ours with each other in every metric by ratio, unless `special` already compares the two in it. */
export function againstAll(
  ours: readonly string[],
  others: readonly string[],
  metrics: readonly string[],
  special: readonly Comparison[],
): Comparison[] {
  const rest = ours.flatMap((mine) =>
    others.flatMap((against) =>
      metrics.map((metric): Comparison => ({ ours: mine, against, metric, by: "ratio", bounds: [] })),
    ),
  );
  const known = ({ ours: mine, against, metric }: Comparison) => `${mine}\0${against}\0${metric}`;
  const covered = new Set(special.map(known));
  return [...special, ...rest.filter((comparison) => !covered.has(known(comparison)))];
}
