import { figure, type Table, whole } from "../../report/table.ts";
import type { PortCosts } from "./port-costs.ts";
import { targetRow, targetsTable } from "./targets.ts";

/** Rows of a commit for the one segment of these appends: its head and its block. */
export const ROWS_OF_A_SEGMENT = 2;

/** Tables of the engine's calls to any backend. */
export function portTables(all: readonly PortCosts[]): Table[] {
  return [appendTable(all), readTable(all), targetTable(all)];
}

function appendTable(all: readonly PortCosts[]): Table {
  return {
    caption: "Partition port: appending",
    columns: [
      ...["records per append", "commits", "get", "getMany", "scan", "rows put", "rows deleted", "conditions"],
      ...["bytes written", "rows per commit", "bytes per record"],
    ],
    rows: all.map(({ records, perAppend, append }) => [
      `${perAppend}`,
      ...[append.commits, append.gets, append.getManys, append.scans, append.rowsPut, append.rowsDeleted].map(whole),
      ...[append.conditions, append.bytesWritten].map(whole),
      figure(append.rowsPut / append.commits),
      figure(append.bytesWritten / records),
    ]),
  };
}

function readTable(all: readonly PortCosts[]): Table {
  const row = (label: string, counts: PortCosts["append"]) => [
    label,
    ...[counts.gets, counts.getManys, counts.scans, counts.pages, counts.rowsRead, counts.bytesRead].map(whole),
  ];
  return {
    caption: "Partition port: reading",
    columns: ["view, records per append", "get", "getMany", "scan", "pages", "rows read", "bytes read"],
    rows: all.flatMap(({ perAppend, readSegment, readSpace }) => [
      row(`segment, ${perAppend}`, readSegment),
      row(`space, ${perAppend}`, readSpace),
    ]),
  };
}

function targetTable(all: readonly PortCosts[]): Table {
  const worst = (cost: (costs: PortCosts) => number) => Math.max(...all.map(cost));
  return targetsTable("Partition port: targets (worst of the cases above)", [
    targetRow(
      "commits per append",
      worst((it) => (it.append.commits * it.perAppend) / it.records),
      "first target",
      1,
    ),
    targetRow(
      "reads per append",
      worst(({ append: it, perAppend, records }) => ((it.gets + it.getManys + it.scans) * perAppend) / records),
      "first target",
      0,
    ),
    targetRow(
      "range reads per page, by segment",
      worst(({ readSegment: r }) => r.scans / r.pages),
      "first target",
      1,
    ),
    targetRow(
      "range reads per page, by space",
      worst(({ readSpace: r }) => r.scans / r.pages),
      "first target",
      1,
    ),
    targetRow(
      "rows per commit beyond the segment's head and block",
      worst(({ append }) => append.rowsPut / append.commits) - ROWS_OF_A_SEGMENT,
      "aim",
      2,
    ),
  ]);
}
