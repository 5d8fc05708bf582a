import { PACE, type Pace } from "../../../../server/src/engine/commit/contention.ts";
import { figure, type Table } from "../../report/table.ts";
import { RUTHLESS, rivalry } from "./rivals.ts";

const LATENCIES = [5, 20, 50];
const INSTANCES = [1, 2, 4];

/** The engine's pace, and paces that differ from it in one number. */
const PACES: readonly (readonly [string, Pace])[] = [
  ["as the engine", PACE],
  ["never steps aside", RUTHLESS],
  ...variants("yieldEveryMillis", 500, 2_000),
  ...variants("burst", 4, 16),
  ...variants("yieldCommits", 2, 5),
  ...variants("retryCommits", 2, 8),
  ...variants("memoryMillis", 250, 4_000),
];

function variants(name: keyof Pace, ...values: readonly number[]): (readonly [string, Pace])[] {
  return values.map((value) => [`${name} ${value} instead of ${PACE[name]}`, { ...PACE, [name]: value }]);
}

/**
 * How instances share a space at the engine's pace and at others. The numbers of server/src/engine/commit/contention.ts
 * come from this table.
 */
export function rivalsTable(): Table {
  return {
    caption:
      "Simulation: 1, 2 and 4 instances that always have work, on one space; the worst of three kinds of latency. Commits and " +
      "appends of all together relative to one that is alone and never steps aside, p99 to its p50",
    columns: [
      ...["pace, ms per request", "1: commits", "1: appends", "1: p99"],
      ...INSTANCES.slice(1).flatMap((n) =>
        ["commits", "slowest share", "conflicts", "p99"].map((name) => `${n}: ${name}`),
      ),
    ],
    rows: PACES.flatMap(([name, pace]) =>
      LATENCIES.map((latency) => {
        const [alone, ...rivals] = INSTANCES.map((instances) => rivalry(pace, instances, latency));
        return [
          `${name}, ${latency}`,
          ...[alone!.commits, alone!.appends, alone!.p99].map(figure),
          ...rivals.flatMap((it) => [it.commits, it.slowestShare, it.conflictsPerCommit, it.p99].map(figure)),
        ];
      }),
    ),
  };
}
