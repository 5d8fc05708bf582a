import type { Section } from "../report/section.ts";

/** The context that all workloads of one run share. */
export interface RunContext {
  /** Measured rounds. A warm-up round comes before them. */
  readonly runs: number;
  /** Scale: records of the bulk workloads. The others derive their sizes from it. */
  readonly records: number;
  /** If not empty: only subjects whose label contains one of these. */
  readonly only: readonly string[];
  /** Folder on a real disk for everything the servers store. */
  readonly folder: string;
  /** Where Node's CPU profiles of Streamkit's server and clients go; undefined: no profiles. */
  readonly profileFolder: string | undefined;
  /** Reports progress. */
  progress(line: string): void;
}

/** One of the workloads. */
export interface Workload {
  /** As on the command line: W1. */
  readonly id: string;
  /** Says in a few words the measured quantity. */
  readonly title: string;
  run(context: RunContext): Promise<Section>;
}
