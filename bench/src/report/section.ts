import type { Table } from "./table.ts";

/** The results of a workload. */
export interface Section {
  /** The measured operation, and its amount. */
  readonly heading: string;
  /** Facts that a reader needs for a fair comparison: durability above all. */
  readonly notes: readonly string[];
  readonly tables: readonly Table[];
}
