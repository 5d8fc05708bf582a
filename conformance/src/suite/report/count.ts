import { type Result, Verdict } from "@streamkit/protocol/conformance";

/** Number of cases of one cell by verdict. */
export interface Count {
  readonly pass: number;
  readonly fail: number;
  readonly known: number;
  readonly unexpected: number;
  readonly notApplicable: number;
  readonly total: number;
}

export function count(results: readonly Result[]): Count {
  const of = (verdict: Verdict): number => results.filter((result) => result.verdict === verdict).length;
  return {
    pass: of(Verdict.PASS),
    fail: of(Verdict.FAIL),
    known: of(Verdict.KNOWN_FAILURE),
    unexpected: of(Verdict.UNEXPECTED_PASS),
    notApplicable: of(Verdict.NOT_APPLICABLE),
    total: results.length,
  };
}

/** Returns the reasons why cases were not applicable, with the number of cases. */
export function notApplicableReasons(results: readonly Result[]): [string, number][] {
  const reasons = new Map<string, number>();
  for (const { verdict, reason } of results) {
    if (verdict === Verdict.NOT_APPLICABLE) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return [...reasons].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Groups results by the name of their cell, in the order of the run. */
export function byCell(results: readonly Result[], nameOf: (result: Result) => string): Map<string, Result[]> {
  const cells = new Map<string, Result[]>();
  for (const result of results) {
    const name = nameOf(result);
    const list = cells.get(name);
    if (list === undefined) cells.set(name, [result]);
    else list.push(result);
  }
  return cells;
}
