import { figure, type Table, whole } from "../../report/table.ts";
import type { AppendCosts, AzureCosts } from "./azure-costs.ts";
import type { FollowerCosts } from "./follower-costs.ts";
import type { IdleCost } from "./idle-coordination.ts";
import type { IdleFollowers } from "./idle-followers.ts";
import { ROWS_OF_A_SEGMENT } from "./port-tables.ts";
import type { SharedCommits } from "./shared-commits.ts";
import type { ActionCost } from "./single-actions.ts";
import { targetRow, targetsTable } from "./targets.ts";
import { requestsOf, type WireCounts } from "./wire-counts.ts";

const WIRE_COLUMNS = [
  ...["requests", "transactions", "conflicts", "point reads", "queries", "other"],
  ...["rows written", "rows deleted", "rows read", "request bytes", "response bytes"],
];

function wireCells(wire: WireCounts): string[] {
  return [
    ...[requestsOf(wire), wire.commits + wire.conflicts + wire.failures, wire.conflicts],
    ...[wire.pointReads, wire.queries, wire.others],
    ...[wire.rowsWritten, wire.rowsDeleted, wire.rowsRead, wire.requestBytes, wire.responseBytes],
  ].map(whole);
}

function labelOf({ perAppend, expecting }: AppendCosts): string {
  return `${perAppend}${expecting ? ", expectedLastSequence" : ""}`;
}

/** Requests and bytes of each kind of append. */
export function azureAppendTable({ appends }: AzureCosts): Table {
  return {
    caption: "Azure: appending",
    columns: [
      ...["records per append", ...WIRE_COLUMNS, "rows per commit", "request bytes per record"],
      ...["capacity per record, bytes"],
    ],
    rows: appends.map((costs) => [
      labelOf(costs),
      ...wireCells(costs.wire),
      figure(costs.wire.rowsWritten / costs.wire.commits),
      figure(costs.wire.requestBytes / costs.records),
      figure(costs.storedBytes / costs.records),
    ]),
  };
}

/** Requests and bytes of each kind of read. */
export function azureReadTable({ reads }: AzureCosts): Table {
  return {
    caption: "Azure: reading",
    columns: [
      ...["view, records per append", "requests", "point reads", "queries", "pages of the port"],
      ...["rows read", "response bytes", "response bytes per record"],
    ],
    rows: reads.flatMap(({ view, records, perAppend, first, again }) =>
      [first, again].map(({ wire, port }, index) => [
        `${view}, ${perAppend}, ${index === 0 ? "sizes unknown" : "again"}`,
        ...[requestsOf(wire), wire.pointReads, wire.queries, port.pages, wire.rowsRead, wire.responseBytes].map(whole),
        figure(wire.responseBytes / records),
      ]),
    ),
  };
}

/** Requests and bytes of single actions. */
export function azureActionTable(actions: readonly ActionCost[]): Table {
  return {
    caption: "Azure: single actions of two instances on one space",
    columns: ["action", ...WIRE_COLUMNS],
    rows: actions.map(({ action, wire }) => [action, ...wireCells(wire)]),
  };
}

/** Numbers of appends that shared a commit. Unlike the other tables, this one depends on timing. */
export function sharedCommitTable(all: readonly SharedCommits[]): Table {
  return {
    caption: "Azure: appends of one record that share a commit (depends on timing)",
    columns: [
      ...["writers, segments", "appends", "commits", "appends per commit", "rows per append", "requests per append"],
      "request bytes per append",
    ],
    rows: all.map(({ writers, segments, appends, wire }) => [
      `${writers}, ${segments === "one" ? "one segment" : "a segment each"}`,
      ...[whole(appends), whole(wire.commits), figure(appends / wire.commits)],
      ...[wire.rowsWritten, requestsOf(wire), wire.requestBytes].map((count) => figure(count / appends)),
    ]),
  };
}

/** Costs of a follower while another instance commits. Depends on timing. */
export function followerTable(all: readonly FollowerCosts[]): Table {
  return {
    caption: "Azure: a follower whose entries another instance commits (depends on timing)",
    columns: ["bus, commits per second", "requests per commit", "ms from ack to delivery"],
    rows: all.map(({ bus, commitsPerSecond, requestsPerCommit, delayMillis }) => [
      `${bus ? "with a bus" : "without"}, ${commitsPerSecond}`,
      ...[requestsPerCommit, delayMillis].map(figure),
    ]),
  };
}

/** Costs of one idle instance. */
export function idleTable(followers: readonly IdleFollowers[], others: readonly IdleCost[]): Table {
  return {
    caption: "Azure: one instance while nothing happens",
    columns: ["what it has", "requests per minute"],
    rows: [
      ...followers.map(({ spaces, followersPerSpace, requestsPerMinute }) => [
        `followed spaces: ${spaces}, followers of each: ${followersPerSpace}`,
        figure(requestsPerMinute),
      ]),
      ...others.map(({ what, requestsPerMinute }) => [what, figure(requestsPerMinute)]),
    ],
  };
}

/** The targets for Azure. */
export function azureTargetTable({ appends, reads }: AzureCosts): Table {
  const worst = (cases: readonly AppendCosts[], cost: (costs: AppendCosts) => number) => Math.max(...cases.map(cost));
  const beyond = (expecting: boolean) =>
    worst(
      appends.filter((it) => it.expecting === expecting),
      ({ wire }) => wire.rowsWritten / wire.commits - ROWS_OF_A_SEGMENT,
    );
  const rows = "rows per commit beyond the segment's head and block";
  return targetsTable("Azure: targets (worst of the cases above)", [
    targetRow(
      "requests per commit",
      worst(appends, ({ wire }) => requestsOf(wire) / wire.commits),
      "first target",
      1,
    ),
    targetRow(
      "range reads per page",
      Math.max(
        ...reads.flatMap(({ first, again }) => [first, again].map(({ wire, port }) => wire.queries / port.pages)),
      ),
      "first target",
      1,
    ),
    targetRow(`${rows}, with expectedLastSequence`, beyond(true), "aim", 2),
    targetRow(`${rows}, without`, beyond(false), "aim", 2),
  ]);
}
