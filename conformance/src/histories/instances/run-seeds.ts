import { Cluster } from "../../lab/cluster.ts";
import type { InstanceDeviation } from "../../lab/instance-faults.ts";
import type { HistoryResult } from "../entries/run.ts";
import { type ClusterHistoryOptions, runClusterHistory } from "./run.ts";

export interface SeedsOptions extends ClusterHistoryOptions {
  readonly instances: number;
  /** Number of seeds that run at the same time, each on its own cluster. Default: 1. */
  readonly parallel?: number;
  readonly deviation?: InstanceDeviation;
}

/** Starts clusters and runs seeds on them, one after the other on each cluster. */
export async function runSeeds(
  seeds: readonly number[],
  { instances, parallel = 1, deviation, ...options }: SeedsOptions,
  onResult: (result: HistoryResult) => void,
): Promise<void> {
  const left = [...seeds];
  const row = async (): Promise<void> => {
    await using cluster = await Cluster.start({ instances, ...(deviation === undefined ? {} : { deviation }) });
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      onResult(await runClusterHistory(seed, cluster, options));
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, seeds.length) }, row));
}
