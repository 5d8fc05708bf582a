import type { Case } from "@streamkit/protocol/conformance";

/** Returns the cases of a selection. An empty selection means all cases. */
export function selectCases(
  cases: readonly Case[],
  { ids, clauses }: { ids: readonly string[]; clauses: readonly string[] },
): Case[] {
  return cases.filter(
    (one) =>
      (ids.length === 0 || ids.some((text) => one.id.includes(text))) &&
      (clauses.length === 0 || clauses.some((id) => one.clauses.includes(id))),
  );
}

/**
 * Returns cases that together prove every clause that any case proves: each one proves a clause that no earlier one
 * does.
 */
export function coveringCases(cases: readonly Case[]): Case[] {
  const proved = new Set<string>();
  return cases.filter(({ clauses }) => {
    const before = proved.size;
    for (const id of clauses) proved.add(id);
    return proved.size > before;
  });
}
