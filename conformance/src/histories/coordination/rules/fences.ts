import type { KeyHistory, Violation } from "../key-history.ts";

/** EXP-009, ATM-003, DUR-002: the entries of holders are in the order of their tokens and agree with the answers. */
export function* checkFences({ appends, log }: KeyHistory): Generator<Violation> {
  if (log === undefined) return;
  const written = new Map(appends.map((append) => [append.payload, append]));
  let largest = 0;
  for (const payload of log.payloads) {
    const append = written.get(payload);
    if (append === undefined) {
      yield { clause: "ORD-002", what: `${payload} is present but was never written` };
      continue;
    }
    if (append.token < largest) {
      yield { clause: "EXP-009", what: `${payload}, with token ${append.token}, was accepted after token ${largest}` };
    }
    largest = Math.max(largest, append.token);
  }
  const there = new Set(log.payloads);
  if (there.size < log.payloads.length) yield { clause: "DED-001", what: "an append is present twice" };
  for (const { payload, outcome } of appends) {
    if (outcome.is === "acked" && !there.has(payload)) {
      yield { clause: "DUR-002", what: `${payload} was acknowledged but is missing` };
    }
    if (outcome.is === "refused" && there.has(payload)) {
      yield { clause: "ATM-003", what: `${payload} was refused but is present` };
    }
  }
}

/** EXP-010: a token is refused only if the segment may have seen a larger one. */
export function* checkFenced({ appends }: KeyHistory): Generator<Violation> {
  for (const refused of appends) {
    if (refused.outcome.is !== "refused") continue;
    const explained = appends.some(
      ({ token, start, outcome }) => token > refused.token && start < refused.end && outcome.is !== "refused",
    );
    if (!explained)
      yield { clause: "EXP-010", what: `token ${refused.token} was refused although no larger one was used` };
  }
}
