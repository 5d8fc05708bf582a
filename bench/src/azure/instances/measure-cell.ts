import { setTimeout as delay } from "node:timers/promises";
import type { Period, Sample, WritersJob } from "../../peers/peer.ts";
import { summarize } from "../../tools/statistics.ts";
import { difference, sum } from "../counts/difference.ts";
import type { WireCounts } from "../counts/wire-counts.ts";
import type { Cell } from "./cell.ts";
import { cpuMillis } from "./cpu-time.ts";
import type { DeployedInstance } from "./deployment.ts";

/** Client writers of each instance. Each has a segment of its own, and appends one record after the other. */
export const WRITERS = 8;

/** The measurements of one cell in one round. */
export interface CellResult {
  readonly sample: Sample;
  /** Requests of all instances to the storage in the measured part. */
  readonly wire: WireCounts;
}

/**
 * Measures one cell. All instances write at the same time, the clients count appends, and the proxies count commits.
 *
 * @param stream names the store, which must be new
 */
export async function measureCell(
  instances: readonly DeployedInstance[],
  { spaces }: Cell,
  stream: string,
  period: Period,
): Promise<CellResult> {
  const jobOf = (index: number): WritersJob => ({
    stream,
    space: spaces === "one" ? "bench" : `bench-${index}`,
    prefix: `${index}`,
    writers: WRITERS,
    period,
  });
  // Creates the store, and opens everything on every instance before the competition starts.
  for (const [index, { client }] of instances.entries()) {
    await client.call({ operation: "write", job: { ...jobOf(index), period: { warmUpMillis: 0, millis: 1 } } });
  }
  const samples = Promise.all(
    instances.map(({ client }, index) => client.call({ operation: "write", job: jobOf(index) })),
  );
  const usage = await usageDuring(instances, period);
  return summary(await samples, usage, period);
}

/** The resources used in the measured part of a period. */
interface Usage {
  /** By instance. */
  readonly wires: readonly WireCounts[];
  /** CPU time of all processes of the run, including the storage; `undefined` if the system does not report it. */
  readonly cpuMillis: number | undefined;
}

/** Measures the use of resources in the measured part of a period that begins now. */
async function usageDuring(instances: readonly DeployedInstance[], period: Period): Promise<Usage> {
  await delay(period.warmUpMillis);
  const before = instances.map(({ proxy }) => ({ ...proxy.counts }));
  const cpuBefore = await cpuMillis();
  await delay(period.millis);
  const wires = instances.map(({ proxy }, index) => difference({ ...proxy.counts }, before[index]));
  const cpuAfter = await cpuMillis();
  return { wires, cpuMillis: cpuBefore === undefined ? undefined : cpuAfter! - cpuBefore };
}

/** Combines the observations of the clients and the proxies of all instances. */
export function summary(samples: readonly Sample[], usage: Usage, { millis }: Period): CellResult {
  const { wires, cpuMillis: cpu } = usage;
  const wire = sum(wires as [WireCounts, ...WireCounts[]]);
  const appends = samples.map(({ count }) => count!);
  const total = appends.reduce((all, count) => all + count, 0);
  const perSecond = (count: number) => (count * 1_000) / millis;
  const { commits, conflicts, failures, pointReads, queries, rowsWritten } = wire;
  return {
    wire,
    sample: {
      commits: perSecond(commits),
      appends: perSecond(total),
      appendsPerCommit: total / commits,
      rowsPerCommit: rowsWritten / commits,
      conflictsPerCommit: conflicts / commits,
      failures,
      readsPerCommit: (pointReads + queries) / commits,
      // 1 if all instances progressed equally, 0 if one made no progress.
      slowestShare: (Math.min(...appends) * appends.length) / total,
      p50: summarize(samples.map(({ p50 }) => p50!)).median,
      p99: Math.max(...samples.map(({ p99 }) => p99!)),
      ...(cpu === undefined ? {} : { cpuPerCommit: cpu / commits }),
    },
  };
}
