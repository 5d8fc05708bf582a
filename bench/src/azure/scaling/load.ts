import { AZURE } from "./azure-limits.ts";
import type { Prices } from "./example-prices.ts";
import type { UnitCosts } from "./unit-costs.ts";

/** What an application asks of Streamkit, all spaces together. Named as in docs/scaling.md. */
export interface Load {
  /** A: appends per second. */
  readonly appendsPerSecond: number;
  /** n: records of an append. */
  readonly recordsPerAppend: number;
  /** g: appends that share a commit; 1 at a low rate. */
  readonly appendsPerCommit: number;
  /** s: segments that a commit writes. */
  readonly segmentsPerCommit: number;
  /** Whether appends have `expectedLastSequence`, and so need not be remembered. */
  readonly expecting: boolean;
  /** c: lost races per commit; 0 where each space is written by one instance. */
  readonly conflictsPerCommit: number;
  /** I: server instances. */
  readonly instances: number;
  /** F: spaces that each instance follows. */
  readonly followedSpaces: number;
  /** Milliseconds of one commit, from the server to Azure and back. */
  readonly commitMillis: number;
}

/** What that takes of Azure. */
export interface Demand {
  readonly commitsPerSecond: number;
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  readonly entitiesPerSecond: number;
  /** Bytes of requests that write, per second. */
  readonly sentPerSecond: number;
  /** Bytes that the account grows by, per second. */
  readonly storedPerSecond: number;
  /**
   * Spaces at least, so that none is over the limit of a partition, nor has more commits than fit one after the other.
   */
  readonly spaces: number;
  /** Accounts at least, if Azure counts requests, and if it counts each entity of a transaction. */
  readonly accounts: number;
  readonly accountsByEntities: number;
}

/** Seconds that a transaction is remembered for: Streamkit's default. */
const DEDUPE_SECONDS = 600;

/** Rows of one commit. */
export function rowsPerCommit(unit: UnitCosts, { appendsPerCommit, segmentsPerCommit, expecting }: Load): number {
  const remembered = expecting ? 0 : unit.rowsPerRemembered * appendsPerCommit;
  return unit.rowsPerCommit + unit.rowsPerSegment * segmentsPerCommit + remembered;
}

/** Appends per second that one space takes, for a load of this kind. */
export function appendsPerSpace(unit: UnitCosts, load: Load): { byEntities: number; byLatency: number } {
  const perAppend = rowsPerCommit(unit, load) / load.appendsPerCommit + removedPerAppend(unit, load);
  return {
    byEntities: AZURE.partitionEntitiesPerSecond / perAppend,
    byLatency: (load.appendsPerCommit * 1_000) / load.commitMillis,
  };
}

/** What a load takes of Azure. */
export function demandOf(unit: UnitCosts, load: Load): Demand {
  const { appendsPerSecond, recordsPerAppend, appendsPerCommit, expecting, instances } = load;
  const commits = appendsPerSecond / appendsPerCommit;
  const rows = rowsPerCommit(unit, load);
  const remembered = expecting ? 0 : appendsPerSecond * unit.rowsPerRemembered;
  const conflicts = commits * load.conflictsPerCommit;
  // Each instance looks through all that is remembered twice in a window; rows are half a window older than that at
  // most.
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

/** Entities that are deleted later, for each append. */
function removedPerAppend(unit: UnitCosts, { expecting }: Load): number {
  return expecting ? 0 : unit.rowsPerRemembered;
}

/** Bytes sent for one append of one record: what a commit has once is shared. */
function sentPerAppend(unit: UnitCosts, load: Load): number {
  const alone = load.expecting ? unit.sentPerAppend.expecting : unit.sentPerAppend.remembered;
  const single = { ...load, appendsPerCommit: 1, segmentsPerCommit: 1 };
  // Nearly all of what is no record is what every row has: addresses and headers.
  const overhead = alone - unit.sentPerRecord;
  const rows = rowsPerCommit(unit, load) / load.appendsPerCommit;
  return unit.sentPerRecord + (overhead * rows) / rowsPerCommit(unit, single);
}

/** A month in seconds, of 30 days. */
const MONTH_SECONDS = 30 * 86_400;

/** What a month costs, if a transaction is billed once, and if each of its entities is. */
export interface MonthlyCost {
  readonly requests: number;
  readonly requestsByEntities: number;
  /** Of what one month adds, for as long as it is kept: per month. */
  readonly storage: number;
}

/** What a month of a demand costs. */
export function monthlyCost(demand: Demand, prices: Prices): MonthlyCost {
  const per = (perSecond: number, perTenThousand: number) => (perSecond * MONTH_SECONDS * perTenThousand) / 10_000;
  const reads = per(demand.readsPerSecond, prices.perTenThousandReads);
  return {
    requests: per(demand.writesPerSecond, prices.perTenThousandWrites) + reads,
    requestsByEntities: per(demand.entitiesPerSecond, prices.perTenThousandWrites) + reads,
    storage: ((demand.storedPerSecond * MONTH_SECONDS) / 1e9) * prices.perGigabyteMonth,
  };
}
