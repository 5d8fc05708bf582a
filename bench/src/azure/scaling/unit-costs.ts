import type { AppendCosts, AzureCosts } from "../counts/azure-costs.ts";
import type { FullCommit } from "../counts/full-commits.ts";
import type { IdleFollowers } from "../counts/idle-followers.ts";
import { ACTION, type ActionCost, REMEMBERED } from "../counts/single-actions.ts";
import { requestsOf, type WireCounts } from "../counts/wire-counts.ts";

/** The unit costs on Azure, as W9 counted them. The names are those of docs/scaling.md. */
export interface UnitCosts {
  /** Fixed rows of a commit. */
  readonly rowsPerCommit: number;
  /** Rows of a commit for each segment in it. */
  readonly rowsPerSegment: number;
  /** Rows of a commit for each append without an expectation. */
  readonly rowsPerRemembered: number;
  /** Most appends to different segments in one commit. */
  readonly mostAppends: Costs;
  /** Requests of a successful commit, and additional requests of a lost race. */
  readonly requestsPerCommit: number;
  readonly requestsPerConflict: number;
  /** Requests that remove one remembered transaction, and requests that look for expired ones. */
  readonly deletesPerRemembered: number;
  readonly scansPerRemembered: number;
  /** Requests per second for one followed space of one idle instance. */
  readonly pollsPerSecond: number;
  /** Bytes sent for an append of one record in a commit of its own, and for each further record. */
  readonly sentPerAppend: Costs;
  readonly sentPerRecord: number;
  /** Bytes stored for the same, after the removal of remembered transactions. */
  readonly storedPerAppend: number;
  readonly storedPerRecord: number;
}

/** Costs with and without `expectedLastSequence`. */
interface Costs {
  readonly expecting: number;
  readonly remembered: number;
}

/** The results of counting. */
interface Counted {
  readonly costs: AzureCosts;
  readonly actions: readonly ActionCost[];
  readonly followers: readonly IdleFollowers[];
  readonly full: readonly FullCommit[];
}

/** Derives the unit costs from the counts. */
export function unitCostsOf({ costs: { appends }, actions, followers, full }: Counted): UnitCosts {
  const append = actionOf(actions, ACTION.append);
  const expecting = actionOf(actions, ACTION.appendExpecting);
  const eight = actionOf(actions, ACTION.appendToEight);
  const purge = actionOf(actions, ACTION.purge);
  const rowsPerSegment = (eight.rowsWritten - append.rowsWritten) / 7;
  const rowsPerRemembered = append.rowsWritten - expecting.rowsWritten;
  const rowsPerCommit = expecting.rowsWritten - rowsPerSegment;
  const most = (it: boolean) => {
    const { rows } = full.find((commit) => commit.expecting === it)!;
    return (rows - rowsPerCommit) / (rowsPerSegment + (it ? 0 : rowsPerRemembered));
  };
  const alone = followers.find(({ spaces, followersPerSpace }) => spaces === 1 && followersPerSpace === 1);
  if (alone === undefined) throw new Error("a single follower was not counted");
  const sent = (it: boolean) => lineOf(appends, it, ({ wire }) => wire.requestBytes);
  const stored = lineOf(appends, true, ({ storedBytes }) => storedBytes);
  return {
    ...{ rowsPerCommit, rowsPerSegment, rowsPerRemembered },
    mostAppends: { expecting: most(true), remembered: most(false) },
    requestsPerCommit: requestsOf(append) / append.commits,
    requestsPerConflict: requestsOf(actionOf(actions, ACTION.lostRace)) - requestsOf(append),
    deletesPerRemembered: purge.commits / REMEMBERED,
    scansPerRemembered: purge.queries / REMEMBERED,
    pollsPerSecond: alone.requestsPerMinute / 60,
    sentPerAppend: { expecting: sent(true).first, remembered: sent(false).first },
    sentPerRecord: sent(true).further,
    storedPerAppend: stored.first,
    storedPerRecord: stored.further,
  };
}

function actionOf(actions: readonly ActionCost[], name: string): WireCounts {
  const found = actions.find(({ action }) => action === name);
  if (found === undefined) throw new Error(`"${name}" was not counted`);
  return found.wire;
}

/** The cost per append as a line over its records: for the first record, and for each further one. */
function lineOf(appends: readonly AppendCosts[], expecting: boolean, of: (costs: AppendCosts) => number) {
  const [one, more] = appends
    .filter((costs) => costs.expecting === expecting)
    .sort((a, b) => a.perAppend - b.perAppend);
  if (one?.perAppend !== 1 || more === undefined) throw new Error("appends of one record and of more are needed");
  const perAppend = (costs: AppendCosts) => (of(costs) * costs.perAppend) / costs.records;
  return { first: perAppend(one), further: (perAppend(more) - perAppend(one)) / (more.perAppend - 1) };
}
