import type { Acked, AppendEvent } from "../event.ts";
import type { SpaceHistory, Violation } from "../space-history.ts";

/**
 * ATM-001, ATM-002, ATM-003, DUR-002, DED-001: a transaction is present once and completely, or not at all, in
 * agreement with the answers to its callers.
 */
export function* checkAppends(history: SpaceHistory): Generator<Violation> {
  for (const calls of history.transactions.values()) {
    const acked = calls.filter(({ outcome }) => outcome.is === "acked");
    if (acked.length > 0) {
      for (const call of acked) yield* checkAppend(call, history);
      continue;
    }
    const [first] = calls as [AppendEvent];
    yield* checkAppend(first, history);
    const refused = calls.find(({ outcome }) => outcome.is === "refused");
    if (refused === undefined || history.log.firstOf(first.transactionId) === undefined) continue;
    const sentOnce = calls.length === 1 && first.attempts === 1;
    if (!sentOnce && mayBeForgotten(refused, history)) continue;
    yield { clause: "ATM-003", what: `${first.transactionId} was refused but is present` };
  }
}

function* checkAppend(append: AppendEvent, history: SpaceHistory): Generator<Violation> {
  const { outcome, transactionId, parts } = append;
  const { log } = history;
  const wanted = parts.flatMap(({ segment, payloads }) => payloads.map((payload) => ({ segment, payload })));
  const places = wanted.map(({ segment, payload }) => log.places(segment, payload));
  if (places.some((each) => each.length > 1)) {
    yield { clause: "DED-001", what: `${transactionId} is present twice` };
    return;
  }
  const found = places.map(([place]) => place);
  const present = found.filter((place) => place !== undefined);
  if (outcome.is === "acked" && present.length === 0) {
    yield { clause: "DUR-002", what: `${transactionId} was acknowledged but is missing` };
    return;
  }
  if (present.length === 0) return;
  if (!isWhole(append, history)) {
    yield { clause: "ATM-001", what: `${transactionId}: ${present.length} of ${wanted.length} records are present` };
    return;
  }
  const starts = found.flatMap((place, index) => (place === undefined ? [] : [place.offset - index]));
  if (starts.some((start) => start !== starts[0])) {
    yield { clause: "ATM-002", what: `${transactionId} is not contiguous` };
    return;
  }
  if (outcome.is === "acked") yield* checkAnswer(append, outcome, starts[0], history);
}

/** True if all records are present, except those that may have been trimmed before any reader saw them. */
function isWhole({ parts }: AppendEvent, { log, trims }: SpaceHistory): boolean {
  return parts.every(({ segment, payloads }) => {
    const sequences = payloads.map((payload) => log.places(segment, payload)[0]?.sequence);
    const known = sequences.findIndex((sequence) => sequence !== undefined);
    const first = known < 0 ? 1 : sequences[known] - known;
    return sequences.every((sequence, index) => sequence !== undefined || first + index < trims.possible(segment));
  });
}

/** APP-001, APP-003, APP-004: the answer agrees with the log. */
function* checkAnswer(
  { parts, transactionId }: AppendEvent,
  { ranges, number, micros }: Acked,
  start: number,
  history: SpaceHistory,
): Generator<Violation> {
  const { log } = history;
  let offset = start;
  for (const { segment, payloads } of parts) {
    const range = ranges.find((each) => each.segment === segment);
    const told = `${transactionId} was told ${range?.firstSequence}/${range?.firstOffset} for ${segment}`;
    if (payloads.length === 0) {
      const right = range?.firstOffset === 0 && history.stoodAt(segment, start - 1, range.firstSequence - 1);
      if (!right) yield { clause: "APP-003", what: told };
      continue;
    }
    const index = payloads.findIndex((payload) => log.places(segment, payload).length === 1);
    const sequence = index < 0 ? undefined : log.places(segment, payloads[index])[0].sequence - index;
    const right = range?.firstOffset === offset && (sequence === undefined || range.firstSequence === sequence);
    if (!right) yield { clause: "APP-001", what: told };
    offset += payloads.length;
  }
  const first = log.firstOf(transactionId);
  if (first !== undefined && (first.number !== number || first.micros !== micros)) {
    const there = `${first.number} at ${first.micros}`;
    yield { clause: "APP-004", what: `${transactionId} was told it is number ${number} at ${micros}; it is ${there}` };
  }
}

/**
 * True if a repetition of an applied transaction may be refused. A transaction with an expectation is recognised by the
 * entries after the expected sequence, and its result is rebuilt from the entries of its other segments. Trims can
 * remove both.
 */
export function mayBeForgotten({ parts, end }: AppendEvent, { log, trims }: SpaceHistory): boolean {
  const written = parts.filter(({ payloads }) => payloads.length > 0);
  const found = written.find(({ expected }) => expected !== undefined);
  if (found?.expected === undefined) return false;
  if (found.expected + 1 < trims.possible(found.segment, end)) return true;
  return written.some(({ segment, payloads, expected }) => {
    const last = log.places(segment, payloads.at(-1)!)[0]?.sequence ?? 0;
    return expected === undefined && last < trims.possible(segment, end);
  });
}
