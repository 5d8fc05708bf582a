import type { Table } from "./table.ts";

/** The results of a workload. */
export interface Section {
  /** What was measured, over how much. */
  readonly heading: string;
  /** What a reader must know to compare fairly: durability above all. */
  readonly notes: readonly string[];
  readonly tables: readonly Table[];
}
