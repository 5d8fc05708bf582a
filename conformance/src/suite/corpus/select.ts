import type { Case } from "@streamkit/protocol/conformance";

/** The cases that a selection asks for; an empty selection asks for all. */
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

/** Cases that together prove every clause that any case proves: each that proves one which none before it does. */
export function coveringCases(cases: readonly Case[]): Case[] {
  const proved = new Set<string>();
  return cases.filter(({ clauses }) => {
    const before = proved.size;
    for (const id of clauses) proved.add(id);
    return proved.size > before;
  });
}
