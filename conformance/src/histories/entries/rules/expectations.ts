import type { AppendEvent } from "../event.ts";
import type { SpaceHistory, Violation } from "../space-history.ts";

/**
 * EXP-001, EXP-002, EXP-003, EXP-006: the expectations of every applied append held, and every refused append was
 * refused for a true reason.
 */
export function* checkExpectations(history: SpaceHistory): Generator<Violation> {
  for (const append of history.appends) {
    const landed = history.log.firstOf(append.transactionId);
    if (landed !== undefined) yield* checkLanded(append, landed.offset, history);
    else if (append.outcome.is === "refused") yield* checkRefused(append, history);
  }
}

function* checkLanded(append: AppendEvent, offset: number, history: SpaceHistory): Generator<Violation> {
  for (const { segment, expected } of append.parts) {
    if (expected === undefined || history.stoodAt(segment, offset - 1, expected)) continue;
    const before = history.log.lastSequence(segment, offset - 1);
    const what = `${append.transactionId} expected ${expected} in ${segment} and landed after ${before}`;
    yield { clause: "EXP-001", what };
  }
}

function* checkRefused(append: AppendEvent, history: SpaceHistory): Generator<Violation> {
  const { transactionId, parts, outcome, start } = append;
  if (outcome.is !== "refused" || outcome.segment === undefined || outcome.actual === undefined) return;
  const { segment, actual } = outcome;
  if (parts.find((part) => part.segment === segment)?.expected === actual) {
    yield {
      clause: "EXP-002",
      what: `${transactionId} was refused because ${segment} is at ${actual}, the expected sequence`,
    };
  }
  if (!history.mayStandAt(segment, actual, start)) {
    yield {
      clause: "EXP-003",
      what: `${transactionId} was told that ${segment} is at ${actual}, which it was not at that time`,
    };
  }
}
