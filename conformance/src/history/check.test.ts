import { describe, expect, it } from "vitest";
import { checkHistory } from "./check.ts";
import type { AppendEvent, Event, ReadEntry, ReadEvent } from "./event.ts";

function entry(offset: number, segment: string, sequence: number, payload: string, transactionId = payload): ReadEntry {
  return {
    offset,
    segment,
    sequence,
    payload,
    transactionId,
    micros: 1_000 + Number(transactionId.charCodeAt(0)) * 100,
  };
}

function append(id: string, parts: AppendEvent["parts"], outcome: AppendEvent["outcome"], end = 2): AppendEvent {
  return { kind: "append", start: end - 1, end, space: "s", transactionId: id, parts, outcome };
}

function acked(number: number, segment: string, firstSequence: number, firstOffset: number): AppendEvent["outcome"] {
  return { is: "acked", number, ranges: [{ segment, firstSequence, firstOffset }] };
}

function read(entries: ReadEntry[], options: Partial<ReadEvent> = {}): ReadEvent {
  return { kind: "read", start: 10, end: 11, space: "s", from: 1, complete: true, entries, ...options };
}

const a = append("a", [{ segment: "x", payloads: ["a"] }], acked(1, "x", 1, 1));
const b = append("b", [{ segment: "x", payloads: ["b"] }], acked(2, "x", 2, 2));
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
    expect(clauses(a, happened, read([ab[0]!]))).toEqual([]);
  });

  it.each<[string, string, Event[]]>([
    ["a lost acknowledged entry", "DUR-002", [a, b, read([ab[0]!])]],
    ["a gap in offsets", "ORD-003", [a, b, read([ab[0]!, entry(3, "x", 2, "b")])]],
    ["a gap in sequences", "ORD-001", [a, b, read([ab[0]!, entry(2, "x", 3, "b")])]],
    ["an entry that is there twice", "DED-001", [a, read([ab[0]!, entry(2, "x", 2, "a")])]],
    ["an entry that nobody wrote", "APP-005", [a, read([ab[0]!, entry(2, "x", 2, "z")])]],
    ["a refused append that happened", "ATM-003", [a, { ...b, outcome: { is: "refused" } }, read(ab)]],
    ["a time that goes back", "ORD-005", [a, b, read([ab[0]!, { ...ab[1]!, micros: 5 }])]],
    ["a wrong answer", "APP-001", [a, { ...b, outcome: acked(2, "x", 7, 2) }, read(ab)]],
    ["a stale read", "LIN-001", [a, b, read([ab[0]!]), read(ab)]],
    ["a reader that skips", "ORD-002", [a, b, read([ab[1]!], { complete: false }), read(ab)]],
    ["a reader that repeats", "ORD-002", [a, b, read([ab[0]!, ab[0]!, ab[1]!], { complete: false }), read(ab)]],
    ["a reader that sees another order", "ORD-002", [a, b, read([ab[1]!, ab[0]!], { complete: false }), read(ab)]],
  ])("finds %s", (_, clause, history) => {
    expect(clauses(...history)).toContain(clause);
  });

  it("finds half a transaction", () => {
    const both = append("t", [{ segment: "x", payloads: ["p", "q"] }], { is: "unknown" });
    expect(clauses(both, read([entry(1, "x", 1, "p", "t")]))).toContain("ATM-001");
  });

  it("finds a transaction that others interrupt", () => {
    const both = append("t", [{ segment: "x", payloads: ["p", "q"] }], { is: "unknown" });
    const other = append("u", [{ segment: "y", payloads: ["o"] }], { is: "unknown" });
    const entries = [entry(1, "x", 1, "p", "t"), entry(2, "y", 1, "o", "u"), entry(3, "x", 2, "q", "t")];
    expect(clauses(both, other, read(entries))).toContain("ATM-002");
  });

  it("finds an expectation that did not hold", () => {
    const conditional = append("b", [{ segment: "x", payloads: ["b"], expected: 0 }], acked(2, "x", 2, 2));
    expect(clauses(a, conditional, read(ab))).toContain("EXP-001");
  });

  it("finds a refusal without reason", () => {
    const parts = [{ segment: "x", payloads: ["b"], expected: 1 }];
    const refused = append("b", parts, { is: "refused", segment: "x", actual: 1 });
    expect(clauses(a, refused, read([ab[0]!]))).toContain("EXP-002");
  });
});
