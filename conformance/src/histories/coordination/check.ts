import { toViolation } from "../entries/check.ts";
import type { CoordinationEvent } from "./event.ts";
import { CursorHistory, KeyHistory, type Violation } from "./key-history.ts";
import { checkConflicts, checkCounted, checkStates, checkVersions } from "./rules/cursors.ts";
import { checkFenced, checkFences } from "./rules/fences.ts";
import { checkHeld, checkOwners, checkRefused, checkReleased, checkRising } from "./rules/leases.ts";

const KEY_RULES = [checkOwners, checkRising, checkReleased, checkHeld, checkRefused, checkFences, checkFenced];
const CURSOR_RULES = [checkVersions, checkConflicts, checkStates, checkCounted];

/** Checks a history of leases, appends with tokens, and cursors against docs/spec.md. */
export function checkCoordination(history: readonly CoordinationEvent[]): Violation[] {
  const violations = history.filter((event) => event.kind === "failure").map(toViolation);
  const found = (name: string, rules: Iterable<Violation>): void => {
    for (const { clause, what } of rules) violations.push({ clause, what: `${name}: ${what}` });
  };
  for (const [key, events] of Map.groupBy(history, (event) => ("key" in event ? event.key : ""))) {
    if (key !== "") for (const rule of KEY_RULES) found(`lease ${key}`, rule(new KeyHistory(events)));
  }
  for (const [name, events] of Map.groupBy(history, (event) => ("name" in event ? event.name : ""))) {
    if (name !== "") for (const rule of CURSOR_RULES) found(`cursor ${name}`, rule(new CursorHistory(events)));
  }
  return violations;
}
