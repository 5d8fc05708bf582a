import { figure, type Table } from "../../report/table.ts";

/** One line of a table of targets: a figure and its upper bound. */
export function targetRow(what: string, value: number, kind: "first target" | "aim", bound: number): string[] {
  return [what, figure(value), kind, `<= ${bound}: ${value <= bound ? "met" : "MISSED"}`];
}

/** A table of figures with bounds of their own, instead of bounds relative to a peer. */
export function targetsTable(caption: string, rows: readonly (readonly string[])[]): Table {
  return { caption, columns: ["what", "measured", "kind", "bound"], rows };
}
