import { describe, expect, it } from "vitest";
import { loadCases, parseCases } from "./load.ts";
import { coveringCases, selectCases } from "./select.ts";

const cases = parseCases(`
cases:
  - { id: A, title: a, clauses: [ORD-001, ORD-002], steps: [{ call: Append }] }
  - { id: B, title: b, clauses: [ORD-002], steps: [{ call: Append }] }
  - { id: C-A, title: c, clauses: [ORD-002, ORD-003], steps: [{ call: Append }] }
`);

const ids = (selected: readonly { id: string }[]): string[] => selected.map(({ id }) => id);

describe("a selection of cases", () => {
  it("is by part of the id, by clause, or both", () => {
    expect(ids(selectCases(cases, { ids: [], clauses: [] }))).toEqual(["A", "B", "C-A"]);
    expect(ids(selectCases(cases, { ids: ["A"], clauses: [] }))).toEqual(["A", "C-A"]);
    expect(ids(selectCases(cases, { ids: ["A"], clauses: ["ORD-003"] }))).toEqual(["C-A"]);
  });

  it("that covers omits cases without new clauses, and no clause", () => {
    expect(ids(coveringCases(cases))).toEqual(["A", "C-A"]);
    const all = loadCases();
    const clauses = (selected: typeof all) => new Set(selected.flatMap((one) => one.clauses));
    expect(clauses(coveringCases(all))).toEqual(clauses(all));
    expect(coveringCases(all).length).toBeLessThan(all.length / 2);
  });
});
