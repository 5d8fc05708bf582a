import { AZURE } from "./azure-limits.ts";
import type { Prices } from "./example-prices.ts";
import type { UnitCosts } from "./unit-costs.ts";

/** The load of an application on Streamkit, all spaces together. The letters are those of docs/scaling.md. */
export interface Load {
  /** A: appends per second. */
  readonly appendsPerSecond: number;
  /** n: records of an append. */
  readonly recordsPerAppend: number;
  /** g: appends that share a commit; 1 at a low rate. */
  readonly appendsPerCommit: number;
  /** s: segments that a commit writes. */
  readonly segmentsPerCommit: number;
  /** True if appends have `expectedLastSequence`, and therefore need no row that remembers them. */
  readonly expecting: boolean;
  /** c: lost races per commit; 0 if one instance writes each space. */
  readonly conflictsPerCommit: number;
  /** I: server instances. */
  readonly instances: number;
  /** F: spaces that each instance follows. */
  readonly followedSpaces: number;
  /** Milliseconds of one commit, from the server to Azure and back. */
  readonly commitMillis: number;
}

/** The resources of Azure that a load needs. */
export interface Demand {
  readonly commitsPerSecond: number;
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  readonly entitiesPerSecond: number;
  /** Bytes of requests that write, per second. */
  readonly sentPerSecond: number;
  /** Growth of the account's data, in bytes per second. */
  readonly storedPerSecond: number;
  /**
   * Least number of spaces, so that none exceeds the limit of a partition or needs more commits than fit in sequence.
   */
  readonly spaces: number;
  /** Least number of accounts, if Azure counts requests, and if it counts each entity of a transaction. */
  readonly accounts: number;
  readonly accountsByEntities: number;
}

/** Time for which a transaction is remembered, in seconds: Streamkit's default. */
const DEDUPE_SECONDS = 600;

/** Rows of one commit. */
export function rowsPerCommit(unit: UnitCosts, { appendsPerCommit, segmentsPerCommit, expecting }: Load): number {
  const remembered = expecting ? 0 : unit.rowsPerRemembered * appendsPerCommit;
  return unit.rowsPerCommit + unit.rowsPerSegment * segmentsPerCommit + remembered;
}

/** Maximum appends per second of one space, for a load of this kind. */
export function appendsPerSpace(unit: UnitCosts, load: Load): { byEntities: number; byLatency: number } {
  const perAppend = rowsPerCommit(unit, load) / load.appendsPerCommit + removedPerAppend(unit, load);
  return {
    byEntities: AZURE.partitionEntitiesPerSecond / perAppend,
    byLatency: (load.appendsPerCommit * 1_000) / load.commitMillis,
  };
}

/** The resources of Azure that a load needs. */
export function demandOf(unit: UnitCosts, load: Load): Demand {
  const { appendsPerSecond, recordsPerAppend, appendsPerCommit, expecting, instances } = load;
  const commits = appendsPerSecond / appendsPerCommit;
  const rows = rowsPerCommit(unit, load);
  const remembered = expecting ? 0 : appendsPerSecond * unit.rowsPerRemembered;
  const conflicts = commits * load.conflictsPerCommit;
  // Each instance scans all remembered transactions twice per window. At that time, rows are up to half a window older.
  const looked = expecting ? 0 : remembered * DEDUPE_SECONDS * 1.5 * (2 / DEDUPE_SECONDS) * instances;
  const writesPerSecond = commits * unit.requestsPerCommit + conflicts + remembered * unit.deletesPerRemembered;
  const readsPerSecond =
    conflicts * (unit.requestsPerConflict - 1) +
    instances * load.followedSpaces * unit.pollsPerSecond +
    looked * unit.scansPerRemembered;
  const entitiesPerSecond = commits * rows + appendsPerSecond * removedPerAppend(unit, load);
  const further = recordsPerAppend - 1;
  const sent = sentPerAppend(unit, load) + further * unit.sentPerRecord;
  const { byEntities, byLatency } = appendsPerSpace(unit, load);
  return {
    commitsPerSecond: commits,
    writesPerSecond,
    readsPerSecond,
    entitiesPerSecond,
    sentPerSecond: appendsPerSecond * sent,
    storedPerSecond: appendsPerSecond * (unit.storedPerAppend + further * unit.storedPerRecord),
    spaces: Math.ceil(appendsPerSecond / Math.min(byEntities, byLatency)),
    accounts: Math.ceil((writesPerSecond + readsPerSecond) / AZURE.accountRequestsPerSecond),
    accountsByEntities: Math.ceil((entitiesPerSecond + readsPerSecond) / AZURE.accountRequestsPerSecond),
  };
}

/** Entities per append that are deleted later. */
function removedPerAppend(unit: UnitCosts, { expecting }: Load): number {
  return expecting ? 0 : unit.rowsPerRemembered;
}

/** Bytes sent for one append of one record; the fixed part of a commit is shared. */
function sentPerAppend(unit: UnitCosts, load: Load): number {
  const alone = load.expecting ? unit.sentPerAppend.expecting : unit.sentPerAppend.remembered;
  const single = { ...load, appendsPerCommit: 1, segmentsPerCommit: 1 };
  // Nearly all bytes outside of records are per row: addresses and headers.
  const overhead = alone - unit.sentPerRecord;
  const rows = rowsPerCommit(unit, load) / load.appendsPerCommit;
  return unit.sentPerRecord + (overhead * rows) / rowsPerCommit(unit, single);
}

/** A month of 30 days, in seconds. */
const MONTH_SECONDS = 30 * 86_400;

/** The costs of a month, if Azure bills each transaction once, and if it bills each of its entities. */
export interface MonthlyCost {
  readonly requests: number;
  readonly requestsByEntities: number;
  /** Monthly costs of keeping the data of one month. */
  readonly storage: number;
}

/** The costs of a demand for a month. */
export function monthlyCost(demand: Demand, prices: Prices): MonthlyCost {
  const per = (perSecond: number, perTenThousand: number) => (perSecond * MONTH_SECONDS * perTenThousand) / 10_000;
  const reads = per(demand.readsPerSecond, prices.perTenThousandReads);
  return {
    requests: per(demand.writesPerSecond, prices.perTenThousandWrites) + reads,
    requestsByEntities: per(demand.entitiesPerSecond, prices.perTenThousandWrites) + reads,
    storage: ((demand.storedPerSecond * MONTH_SECONDS) / 1e9) * prices.perGigabyteMonth,
  };
}
