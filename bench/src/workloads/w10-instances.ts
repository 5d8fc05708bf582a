import { type Cell, cellLabel, cellsOf } from "../azure/instances/cell.ts";
import { Deployment } from "../azure/instances/deployment.ts";
import { instanceTable, scalingComparisons } from "../azure/instances/instance-tables.ts";
import { WRITERS } from "../azure/instances/measure-cell.ts";
import { measureRound } from "../azure/instances/measure-round.ts";
import { type Comparison, predict, predictionTable } from "../azure/instances/prediction.ts";
import { sharingTable } from "../azure/instances/sharing-table.ts";
import { rivalsTable } from "../azure/simulation/rivals-table.ts";
import { describeSample } from "../harness/rounds.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import { loadPeer } from "../peers/index.ts";
import type { Sample } from "../peers/peer.ts";
import type { Section } from "../report/section.ts";
import type { Table } from "../report/table.ts";
import { meanOf } from "../tools/quantiles.ts";

/** Delays of each request: none, and those of a storage service in the same region. */
const DELAYS = [0, 5, 20];
const LONGEST_MILLIS = 2_000;
const SHORTEST_MILLIS = 200;
/** A single instance yields once a second, so the period for one space is longer by this factor. */
const SHARED = 5;
/** The name for --only of the simulation that belongs to no measurement. */
const SIMULATION = "simulation";

/** Several server processes on one storage, which write one space or a space each. */
export const severalInstances: Workload = {
  id: "W10",
  title: "several instances on one storage",

  async run(context: RunContext): Promise<Section> {
    const wanted = (label: string) => context.only.length === 0 || context.only.some((part) => label.includes(part));
    const chosen = DELAYS.flatMap(cellsOf).filter((cell) => wanted(cellLabel(cell)));
    const millis = Math.min(LONGEST_MILLIS, Math.max(SHORTEST_MILLIS, Math.round(context.records / 500)));
    return {
      heading:
        `W10 Instances on one storage: ${WRITERS} writers of one record x 256 B per instance, ` +
        `${millis * SHARED} ms on one space, ${millis} ms on a space each`,
      notes: [
        "streamkit: server processes on one Azurite, each with a client process of its own; every writer has a segment of its " +
          "own and waits for each ack. Commits, conflicts and reads are counted by proxies in front of Azurite.",
        `raw-table: ${(await loadPeer("raw-table")).note} With x 8, each process has 8 transactions under way: the most that ` +
          "Azurite takes.",
        "Azurite is one thread, and shares this machine with all other processes: without a delay it is the limit. With one " +
          "(half of it on the way there, half on the way back) the round trip is, as it is in front of Azure.",
        "'slowest share' is 1 when all instances got equally many appends done, 0 when one got none. 'of raw': commits/s " +
          "relative to raw-table with as many processes and the same delay. p50 is the median of the instances, p99 the worst. " +
          "Requests per commit: the commit, refused ones, and reads.",
        "CPU is that of all processes, Azurite, clients and proxies included.",
        "The simulation knows from each round the latencies of raw-table, the most that it takes, and what one instance " +
          "reached and needed of the processors; that row is calibration, the others are predictions. Errors are medians " +
          "over the rounds.",
      ],
      tables: [
        ...(chosen.length === 0 ? [] : await measuredTables(context, chosen, millis)),
        ...(wanted(SIMULATION) ? [rivalsTable()] : []),
      ],
    };
  },
};

async function measuredTables(context: RunContext, chosen: readonly Cell[], millis: number): Promise<Table[]> {
  const labels = new Set(chosen.map(cellLabel));
  const delays = DELAYS.filter((delay) => chosen.some(({ delayMillis }) => delayMillis === delay));
  const period = { warmUpMillis: Math.round(millis / 4), millis };
  const sharedPeriod = { warmUpMillis: period.warmUpMillis * SHARED, millis: millis * SHARED };
  const rounds = new Map<string, Sample[]>();
  const comparisons = new Map<string, Comparison[]>();
  await using deployment = await Deployment.start(Math.max(...chosen.map((cell) => cell.instances)), context);
  for (let round = 0; round <= context.runs; round++) {
    // The speed of the storage does not depend on the delay. So it is measured first, without a delay.
    let transactionMillis = 0;
    let serviceMillis = 0;
    for (const delayMillis of new Set([0, ...delays])) {
      const { samples, cells, latency, most } = await measureRound(deployment.instances, {
        ...{ round, delayMillis, period, sharedPeriod, wanted: (label) => labels.has(label) },
        progress: (label, sample) =>
          context.progress(`W10: ${round === 0 ? "warm-up" : `round ${round}`}, ${label}: ${describeSample(sample)}`),
      });
      if (most !== undefined) {
        transactionMillis = meanOf(latency.transaction);
        serviceMillis = 1_000 / most;
      }
      if (round === 0) continue;
      for (const [label, sample] of samples) rounds.set(label, [...(rounds.get(label) ?? []), sample]);
      const alone = cells.values().next().value!;
      const calibration = {
        ...{ latency, transactionMillis, serviceMillis },
        ...{ commitsPerSecond: alone.commits!, cpuPerCommit: alone.cpuPerCommit },
      };
      for (const [cell, measured] of cells) {
        const label = cellLabel(cell);
        const comparison = { cell, measured, predicted: predict(cell, calibration) };
        comparisons.set(label, [...(comparisons.get(label) ?? []), comparison]);
      }
    }
  }
  return [
    sharingTable(rounds, delays),
    scalingComparisons(rounds, delays),
    instanceTable(rounds),
    predictionTable(comparisons),
  ];
}
