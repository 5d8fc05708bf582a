import type { ReadEntry } from "../event.ts";
import { nameOf } from "../known-log.ts";
import type { SpaceHistory, Violation } from "../space-history.ts";

/** ORD-003, ORD-001, ORD-004: offsets and sequences are dense and consistent. */
export function* checkDense({ log, trims, transactions }: SpaceHistory): Generator<Violation> {
  // Records that may have been written and trimmed without any answer or reader showing them.
  const unseen = [...transactions.values()]
    .filter((calls) => {
      const maybe = calls.some(({ outcome, attempts }) => outcome.is === "unknown" || attempts > 1);
      return maybe && log.firstOf(calls[0].transactionId) === undefined;
    })
    .flatMap(([call]) => call!.parts.flatMap(({ segment, payloads }) => payloads.map(() => segment)))
    .filter((segment) => trims.possible(segment) > 1);
  const mayMiss = (from: number, to: number, segment?: string): boolean =>
    to - from <= unseen.filter((each) => segment === undefined || each === segment).length;

  const last = new Map<string, number>();
  let offset = 0;
  for (const entry of log.entries) {
    if (!mayMiss(offset + 1, entry.offset)) {
      yield { clause: "ORD-003", what: `offset ${entry.offset} where ${offset + 1} belongs` };
    }
    offset = entry.offset;
    const { segment, sequence } = entry;
    const expected = (last.get(segment) ?? 0) + 1;
    if (sequence < expected || !mayMiss(expected, sequence, segment)) {
      yield { clause: "ORD-001", what: `${segment}: sequence ${sequence} where ${expected} belongs` };
    }
    last.set(segment, sequence);
  }
}

/**
 * ORD-005, ORD-008: each transaction has one time and one number. The next transaction has a later time and the next
 * number, regardless of the clocks.
 */
export function* checkTransactions({ log }: SpaceHistory): Generator<Violation> {
  let before: ReadEntry | undefined;
  for (const entry of log.entries) {
    const same = before?.transactionId === entry.transactionId;
    const micros = before?.micros ?? 0;
    if (same ? micros !== entry.micros : micros >= entry.micros) {
      yield { clause: "ORD-005", what: `offset ${entry.offset} has time ${entry.micros} after ${micros}` };
    }
    const number = (before?.number ?? 0) + (same ? 0 : 1);
    const gap = entry.offset !== (before?.offset ?? 0) + 1;
    if (gap ? entry.number < number : entry.number !== number) {
      yield { clause: "ORD-008", what: `offset ${entry.offset} has transaction number ${entry.number}, not ${number}` };
    }
    before = entry;
  }
}

/** APP-005: every entry was written by an append. */
export function* checkOwners({ log, appends }: SpaceHistory): Generator<Violation> {
  const written = new Map<string, string>();
  for (const { parts, transactionId } of appends) {
    for (const { segment, payloads } of parts) {
      for (const payload of payloads) written.set(nameOf({ segment, payload }), transactionId);
    }
  }
  for (const entry of log.entries) {
    if (written.get(nameOf(entry)) === entry.transactionId) continue;
    yield { clause: "APP-005", what: `offset ${entry.offset} holds "${entry.payload}", which no append wrote there` };
  }
}

/** ORD-002: every entry that was read still exists at the end, unless it was trimmed. */
export function* checkLost({ log, rest, trims }: SpaceHistory): Generator<Violation> {
  const kept = new Set(rest.map(({ offset }) => offset));
  for (const { offset, segment, sequence, payload } of log.entries) {
    if (kept.has(offset) || sequence < trims.possible(segment)) continue;
    yield { clause: "ORD-002", what: `"${payload}" was read at offset ${offset}and is missing at the end` };
  }
}
