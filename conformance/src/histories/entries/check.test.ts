import { describe, expect, it } from "vitest";
import { checkHistory } from "./check.ts";
import type { Acked, AppendEvent, Event, ReadEntry, ReadEvent, StatusEvent, TrimEvent } from "./event.ts";

function entry(offset: number, segment: string, sequence: number, payload: string, transactionId = payload): ReadEntry {
  return {
    offset,
    segment,
    sequence,
    payload,
    transactionId,
    ...placeOf(transactionId),
  };
}

/** Number and time of a transaction: "a" is the first. */
function placeOf(transactionId: string): { number: number; micros: number } {
  const number = transactionId.charCodeAt(0) - 96;
  return { number, micros: 1_000 + number * 100 };
}

function append(id: string, parts: AppendEvent["parts"], outcome: AppendEvent["outcome"], end = 2): AppendEvent {
  return { kind: "append", start: end - 1, end, space: "s", transactionId: id, parts, attempts: 1, outcome };
}

function acked(id: string, segment: string, firstSequence: number, firstOffset: number): Acked {
  return { is: "acked", ...placeOf(id), deduplicated: false, ranges: [{ segment, firstSequence, firstOffset }] };
}

function read(entries: ReadEntry[], options: Partial<ReadEvent> = {}): ReadEvent {
  return { kind: "read", start: 10, end: 11, space: "s", from: 1, complete: true, entries, ...options };
}

function trim(before: number, options: Partial<TrimEvent> = {}): TrimEvent {
  return { kind: "trim", start: 5, end: 6, space: "s", segment: "x", before, acked: true, ...options };
}

function status(lastSequence: number, options: Partial<StatusEvent> = {}): StatusEvent {
  return { kind: "status", start: 10, end: 11, space: "s", segment: "x", firstSequence: 1, lastSequence, ...options };
}

const a = append("a", [{ segment: "x", payloads: ["a"] }], acked("a", "x", 1, 1));
const b = append("b", [{ segment: "x", payloads: ["b"] }], acked("b", "x", 2, 2));
const ab = [entry(1, "x", 1, "a"), entry(2, "x", 2, "b")];

function clauses(...history: Event[]): string[] {
  return [...new Set(checkHistory(history).map(({ clause }) => clause))];
}

describe("the checker of histories", () => {
  it("accepts a good history", () => {
    expect(clauses(a, b, read([entry(2, "x", 2, "b")], { segment: "x", from: 2 }), read(ab))).toEqual([]);
  });

  it("accepts an unknown outcome that happened, and one that did not", () => {
    const happened = { ...b, outcome: { is: "unknown" } as const };
    expect(clauses(a, happened, read(ab))).toEqual([]);
    expect(clauses(a, happened, read([ab[0]]))).toEqual([]);
  });

  it.each<[string, string, Event[]]>([
    ["a lost acknowledged entry", "DUR-002", [a, b, read([ab[0]])]],
    ["a gap in offsets", "ORD-003", [a, b, read([ab[0], entry(3, "x", 2, "b")])]],
    ["a gap in sequences", "ORD-001", [a, b, read([ab[0], entry(2, "x", 3, "b")])]],
    ["an entry that is present twice", "DED-001", [a, read([ab[0], entry(2, "x", 2, "a")])]],
    ["an entry without an append", "APP-005", [a, read([ab[0], entry(2, "x", 2, "z")])]],
    ["a refused append that was applied", "ATM-003", [a, { ...b, outcome: { is: "refused" } }, read(ab)]],
    ["a time that goes back", "ORD-005", [a, b, read([ab[0], { ...ab[1], micros: 5 }])]],
    ["a wrong answer", "APP-001", [a, { ...b, outcome: acked("b", "x", 7, 2) }, read(ab)]],
    ["a stale read", "LIN-001", [a, b, read([ab[0]]), read(ab)]],
    ["a reader that skips", "ORD-002", [a, b, read([ab[1]], { complete: false }), read(ab)]],
    ["a reader that repeats", "ORD-002", [a, b, read([ab[0], ab[0], ab[1]], { complete: false }), read(ab)]],
    ["a reader that sees another order", "ORD-002", [a, b, read([ab[1], ab[0]], { complete: false }), read(ab)]],
  ])("finds %s", (_, clause, history) => {
    expect(clauses(...history)).toContain(clause);
  });

  it("finds half a transaction", () => {
    const both = append("t", [{ segment: "x", payloads: ["p", "q"] }], { is: "unknown" });
    expect(clauses(both, read([entry(1, "x", 1, "p", "t")]))).toContain("ATM-001");
  });

  it("finds a transaction with foreign entries inside", () => {
    const both = append("t", [{ segment: "x", payloads: ["p", "q"] }], { is: "unknown" });
    const other = append("u", [{ segment: "y", payloads: ["o"] }], { is: "unknown" });
    const entries = [entry(1, "x", 1, "p", "t"), entry(2, "y", 1, "o", "u"), entry(3, "x", 2, "q", "t")];
    expect(clauses(both, other, read(entries))).toContain("ATM-002");
  });

  it("finds an expectation that did not hold", () => {
    const conditional = append("b", [{ segment: "x", payloads: ["b"], expected: 0 }], acked("b", "x", 2, 2));
    expect(clauses(a, conditional, read(ab))).toContain("EXP-001");
  });

  it("finds a refusal without reason", () => {
    const parts = [{ segment: "x", payloads: ["b"], expected: 1 }];
    const refused = append("b", parts, { is: "refused", segment: "x", actual: 1 });
    expect(clauses(a, refused, read([ab[0]]))).toContain("EXP-002");
  });
});

/** Repeats a transaction at another time, with changes to the outcome. */
function again(call: AppendEvent, start: number, change: Partial<AppendEvent["outcome"]> = {}): AppendEvent {
  const outcome = { ...call.outcome, ...(call.outcome.is === "acked" ? { deduplicated: true } : {}), ...change };
  return { ...call, start, end: start + 1, outcome: outcome as AppendEvent["outcome"] };
}

describe("the checker of histories of several servers", () => {
  const unseen = append("b", [{ segment: "x", payloads: ["b"] }], { is: "unknown" });
  const onTwo = append("b", [{ segment: "x", payloads: ["b"], expected: 1 }], acked("b", "x", 2, 2));
  const refused = (actual: number): AppendEvent => ({
    ...append("c", [{ segment: "x", payloads: ["c"], expected: 0 }], { is: "refused", segment: "x", actual }, 9),
  });
  const follow = (entries: ReadEntry[], options: Partial<ReadEvent> = {}): ReadEvent =>
    read(entries, { complete: false, follows: true, ...options });

  it.each<[string, Event[]]>([
    ["transactions that are repeated elsewhere", [a, b, again(a, 3), again(b, 4), read(ab)]],
    ["a retry with the first answer", [a, { ...unseen }, again(b, 4, { deduplicated: true }), read(ab)]],
    ["two calls at once", [a, b, { ...again(b, 1, { deduplicated: false }) }, read(ab)]],
    ["refusals with the segment's actual sequence", [a, b, refused(2), read(ab)]],
    ["a refusal with a sequence from during the call", [a, { ...b, start: 8, end: 9.5 }, refused(1), read(ab)]],
    ["followers that are complete", [a, b, read(ab), follow(ab), follow([ab[1]], { segment: "x", from: 2 })]],
    ["statuses", [a, b, status(2), status(1, { start: 0 }), read(ab)]],
    ["views that agree", [a, b, read(ab, { segment: "x" }), read(ab)]],
    ["other spaces", [a, b, read(ab), { ...a, space: "t" }, read([ab[0]], { space: "t" })]],
    [
      "trimmed entries that are gone",
      [a, b, trim(2), read([ab[1]]), read([ab[1]], { segment: "x" }), status(2, { firstSequence: 2 })],
    ],
    ["entries that vanish during a trim", [a, b, trim(2, { end: 99 }), read(ab), read([ab[1]])]],
    ["a trim without an answer", [a, b, trim(2, { acked: false }), read(ab), read([ab[1]])]],
    ["entries that were trimmed before any read", [unseen, a, trim(3, { acked: false }), read([ab[0]])]],
    ["a follower that came too late for trimmed entries", [a, b, trim(2), read([ab[1]]), follow([ab[1]])]],
    ["a repetition that is refused after a trim", [a, onTwo, trim(3), again(onTwo, 8, { is: "refused" }), read([])]],
  ])("accepts %s", (_, history) => {
    expect(checkHistory(history)).toEqual([]);
  });

  it.each<[string, string, Event[]]>([
    ["a missing transaction number", "ORD-008", [a, b, read([ab[0], { ...ab[1], number: 3 }])]],
    [
      "an answer with a wrong time",
      "APP-004",
      [a, { ...b, outcome: { ...acked("b", "x", 2, 2), micros: 7 } }, read(ab)],
    ],
    [
      "an entry that only one reader received",
      "ORD-002",
      [a, unseen, read(ab, { end: 10 }), read([ab[0]], { start: 9 })],
    ],
    ["an entry that vanished", "LIN-001", [a, unseen, read(ab), read([ab[0]], { start: 20 })]],
    [
      "a read that is older than an earlier one elsewhere",
      "LIN-001",
      [a, { ...b, end: 50 }, read(ab), read([ab[0]], { start: 20, end: 21 }), read(ab, { start: 60 })],
    ],
    ["a segment that is behind its space", "LIN-001", [a, b, read([ab[0]], { segment: "x" }), read(ab)]],
    ["views that disagree", "ORD-002", [a, b, read([ab[0], { ...ab[1], offset: 3 }], { segment: "x" }), read(ab)]],
    [
      "the same entries with another time elsewhere",
      "ORD-002",
      [a, b, read([ab[0], { ...ab[1], micros: 1_201 }]), read(ab)],
    ],
    ["a follower that stops early", "FOL-001", [a, b, read(ab), follow([ab[0]])]],
    ["a follower that receives nothing", "FOL-001", [a, read([ab[0]]), follow([])]],
    ["a follower of a segment that stops early", "FOL-001", [a, b, read(ab), follow([ab[0]], { segment: "x" })]],
    ["a status that is behind", "LIN-002", [a, b, status(1), read(ab)]],
    ["a status that is ahead", "LIN-002", [a, b, status(3), read(ab)]],
    ["a status that begins with a trimmed entry", "LIN-002", [a, b, trim(2), status(2), read([ab[1]])]],
    ["a status with a wrong beginning", "LIN-002", [a, b, status(2, { firstSequence: 2 }), read(ab)]],
    ["a refusal with an outdated sequence", "EXP-003", [a, b, refused(1), read(ab)]],
    ["a refusal with an impossible sequence", "EXP-003", [a, b, refused(7), read(ab)]],
    ["a repetition with another result", "DED-001", [a, b, again(b, 4, { number: 3 }), read(ab)]],
    ["a repetition that claims to be the first", "DED-001", [a, b, again(b, 4, { deduplicated: false }), read(ab)]],
    ["a repetition that was applied again", "DED-001", [a, b, again(b, 4), read([...ab, entry(3, "x", 3, "b")])]],
    [
      "a first append that claims to be a repetition",
      "DED-002",
      [a, { ...b, outcome: { ...acked("b", "x", 2, 2), deduplicated: true } }, read(ab)],
    ],
    ["a repetition that is refused", "DED-003", [a, onTwo, again(onTwo, 4, { is: "refused" }), read(ab)]],
    ["a trimmed entry that is still present", "TRM-001", [a, b, trim(2), read(ab)]],
    [
      "a trimmed entry that is still present in its segment",
      "TRM-001",
      [a, b, trim(2), read(ab, { segment: "x" }), read([ab[1]])],
    ],
    ["a trim that removes too much", "DUR-002", [a, b, trim(2), read([])]],
    ["a trim that removes entries of another segment", "DUR-002", [a, b, trim(2, { segment: "y" }), read([ab[1]])]],
    [
      "lost data",
      "LOU-001",
      [
        a,
        read([ab[0]]),
        { kind: "failure", start: 1, end: 2, space: "s", what: "read", reason: "DATA_LOSS", message: "" },
      ],
    ],
    [
      "a defect",
      "ERR-001",
      [
        a,
        read([ab[0]]),
        { kind: "failure", start: 1, end: 2, space: "", what: "read", reason: "INTERNAL", message: "" },
      ],
    ],
  ])("finds %s", (_, clause, history) => {
    expect(clauses(...history)).toContain(clause);
  });

  it("finds a wrong range of a segment that is only a condition", () => {
    const parts = [
      { segment: "x", payloads: ["b"] },
      { segment: "y", payloads: [], expected: 0 },
    ];
    const answer = (firstSequence: number): Acked => ({
      ...acked("b", "x", 2, 2),
      ranges: [
        { segment: "x", firstSequence: 2, firstOffset: 2 },
        { segment: "y", firstSequence, firstOffset: 0 },
      ],
    });
    expect(clauses(a, append("b", parts, answer(1)), read(ab))).toEqual([]);
    expect(clauses(a, append("b", parts, answer(5)), read(ab))).toEqual(["APP-003"]);
  });

  it("finds half a transaction, even if the other half was trimmed", () => {
    const both = append("t", [{ segment: "x", payloads: ["p", "q", "r"] }], { is: "unknown" });
    const rest = [entry(2, "x", 2, "q", "t"), entry(3, "x", 3, "r", "t")];
    expect(clauses(both, trim(2), read(rest))).not.toContain("ATM-001");
    expect(clauses(both, trim(3), read([rest[1]]))).not.toContain("ATM-001");
    expect(clauses(both, trim(2), read([rest[0]]))).toContain("ATM-001");
  });
});
