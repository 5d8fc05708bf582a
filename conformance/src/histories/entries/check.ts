import type { Event, FailureEvent } from "./event.ts";
import { checkAppends } from "./rules/appends.ts";
import { checkExpectations } from "./rules/expectations.ts";
import { checkDense, checkLost, checkOwners, checkTransactions } from "./rules/log.ts";
import { checkFollows, checkFresh, checkOrder, checkStatuses } from "./rules/reads.ts";
import { checkRepeats } from "./rules/repeats.ts";
import { SpaceHistory, type Violation } from "./space-history.ts";

export type { Violation } from "./space-history.ts";

const RULES: readonly ((history: SpaceHistory) => Iterable<Violation>)[] = [
  checkDense,
  checkTransactions,
  checkOwners,
  checkLost,
  checkAppends,
  checkRepeats,
  checkExpectations,
  checkOrder,
  checkFresh,
  checkStatuses,
  checkFollows,
];

/**
 * Checks a history against docs/spec.md. The entries of all readers together are the log of a space; the last complete
 * read of the whole space has precedence. Everything else must agree with that log.
 *
 * @throws Error if a space with appends has no complete read
 */
export function checkHistory(history: readonly Event[]): Violation[] {
  const violations = history.filter((event) => event.kind === "failure").map(toViolation);
  const bySpace = Map.groupBy(
    history.filter((event) => event.kind !== "failure"),
    ({ space }) => space,
  );
  for (const [space, events] of bySpace) {
    const spaceHistory = new SpaceHistory(space, events);
    for (const rule of RULES) {
      for (const { clause, what } of rule(spaceHistory)) violations.push({ clause, what: `${space}: ${what}` });
    }
  }
  return violations;
}

/** The clause that is closest to an unexplained failure, by its reason. */
const CLAUSES: Readonly<Record<string, string>> = { DATA_LOSS: "LOU-001", NOT_FOUND: "STO-005" };

export function toViolation({ what, reason, message }: FailureEvent): Violation {
  return { clause: CLAUSES[reason] ?? "ERR-001", what: `${what}: ${reason}: ${message}` };
}
