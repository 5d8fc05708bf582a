import { expect, it } from "vitest";
import { checkCoordination } from "./check.ts";
import type { CoordinationEvent, CursorCommit, CursorRead, FencedAppend, LeaseCall } from "./event.ts";

const TTL = 1_000;

type When = readonly [start: number, end: number];

function lease(
  holder: string,
  [start, end]: When,
  rpc: LeaseCall["rpc"],
  outcome: LeaseCall["outcome"],
  claimed?: number,
) {
  const event = { kind: "lease", key: "k", holder, start, end, instance: 0, rpc, ttlMillis: TTL, outcome } as const;
  return claimed === undefined ? event : { ...event, claimed };
}

const acquire = (holder: string, when: When, token: number) => lease(holder, when, "acquire", { is: "granted", token });
const renew = (holder: string, when: When, token: number) =>
  lease(holder, when, "renew", { is: "granted", token }, token);
const release = (holder: string, when: When, token: number) =>
  lease(holder, when, "release", { is: "released" }, token);

function look([start, end]: When, found?: { readonly holder: string; readonly token: number }): CoordinationEvent {
  return { kind: "look", key: "k", start, end, instance: 0, ...(found && { found }) };
}

function append([start, end]: When, token: number, payload: string, is: FencedAppend["outcome"]["is"] = "acked") {
  return { kind: "fenced", key: "k", start, end, instance: 0, token, payload, outcome: { is } } as const;
}

function log(...payloads: string[]): CoordinationEvent {
  return { kind: "log", key: "k", start: 9_000, end: 9_001, instance: 0, payloads };
}

function commit([start, end]: When, offset: number, outcome: CursorCommit["outcome"], expected?: number) {
  const event = { kind: "commit", name: "c", space: "x", start, end, instance: 0, offset, outcome } as const;
  return expected === undefined ? event : { ...event, expected };
}

const acked = (version: number, x: number): CursorCommit["outcome"] => ({ is: "acked", version, offsets: { x } });

function read([start, end]: When, version?: number, x = 0): CursorRead {
  const found = version === undefined ? {} : { found: { version, offsets: { x } } };
  return { kind: "cursor", name: "c", start, end, instance: 0, ...found };
}

const clausesOf = (history: readonly CoordinationEvent[]): string[] => [
  ...new Set(checkCoordination(history).map(({ clause }) => clause)),
];

it.each<[string, CoordinationEvent[]]>([
  [
    "a lease that goes to another holder after its expiration",
    [acquire("a", [0, 10], 1), acquire("b", [990, 1_005], 2)],
  ],
  ["a released lease", [acquire("a", [0, 10], 1), release("a", [20, 30], 1), acquire("b", [25, 40], 2)]],
  [
    "a lease with an unanswered release",
    [
      acquire("a", [0, 10], 1),
      lease("a", [20, 500], "release", { is: "unknown" }, 1),
      acquire("b", [100, 120], 2),
      lease("a", [200, 210], "renew", { is: "lost" }, 1),
      look([220, 230], { holder: "b", token: 2 }),
    ],
  ],
  [
    "a refusal while another holder may have the lease",
    [
      lease("a", [0, 1_000], "acquire", { is: "unknown" }),
      lease("b", [500, 510], "acquire", { is: "held" }),
      look([520, 530]),
    ],
  ],
  [
    "writers that are fenced",
    [append([0, 10], 1, "p"), append([20, 30], 2, "q"), append([25, 40], 1, "late", "refused"), log("p", "q")],
  ],
  ["an append without an answer", [append([0, 10], 2, "p", "unknown"), append([20, 30], 1, "q", "refused"), log("p")]],
  [
    "commits on versions, and one that was refused",
    [
      commit([0, 10], 1, acked(1, 1), 0),
      commit([20, 40], 2, acked(2, 2), 1),
      commit([20, 40], 3, { is: "conflict" }, 1),
      read([50, 60], 2, 2),
    ],
  ],
  [
    "an applied commit without an answer",
    [commit([0, 10], 1, acked(1, 1)), commit([20, 40], 2, { is: "unknown" }), read([50, 60], 2, 2)],
  ],
])("accepts %s", (_, history) => {
  expect(checkCoordination(history)).toEqual([]);
});

it.each<[string, string, CoordinationEvent[]]>([
  ["two holders with one token", "LEA-027", [acquire("a", [0, 10], 1), acquire("b", [5, 20], 1)]],
  ["a token that falls", "LEA-005", [acquire("a", [0, 10], 2), acquire("b", [2_000, 2_010], 1)]],
  [
    "a token that returns after a release",
    "LEA-005",
    [acquire("a", [0, 10], 1), release("a", [20, 30], 1), acquire("a", [40, 50], 1)],
  ],
  [
    "a renewal after a release",
    "LEA-009",
    [acquire("a", [0, 10], 1), release("a", [20, 30], 1), renew("a", [40, 50], 1)],
  ],
  [
    "a renewal of a lease that another holder has taken",
    "LEA-010",
    [acquire("a", [0, 10], 1), acquire("b", [1_500, 1_510], 2), renew("a", [1_520, 1_530], 1)],
  ],
  ["two concurrent holders", "LEA-015", [acquire("a", [0, 10], 1), acquire("b", [500, 990], 2)]],
  [
    "two concurrent holders after a renewal",
    "LEA-015",
    [acquire("a", [0, 10], 1), renew("a", [800, 810], 1), acquire("b", [1_500, 1_510], 2)],
  ],
  [
    "a release with another token that frees the lease",
    "LEA-015",
    [acquire("a", [0, 10], 2), release("a", [20, 30], 1), acquire("b", [40, 50], 3)],
  ],
  [
    "a renewal that is refused too soon",
    "LEA-015",
    [acquire("a", [0, 10], 1), lease("a", [20, 30], "renew", { is: "lost" }, 1)],
  ],
  [
    "a lease that is refused to its holder",
    "LEA-004",
    [acquire("a", [0, 10], 1), lease("a", [20, 30], "acquire", { is: "held" })],
  ],
  ["a refused lease without another holder", "LEA-002", [lease("a", [20, 30], "acquire", { is: "held" })]],
  ["a lease that is not shown", "LEA-028", [acquire("a", [0, 10], 1), look([20, 30])]],
  [
    "an outdated holder in an answer",
    "LEA-028",
    [acquire("a", [0, 10], 1), acquire("b", [1_500, 1_510], 2), look([5_000, 5_010], { holder: "a", token: 1 })],
  ],
  [
    "an entry of a former holder after one of its successor",
    "EXP-009",
    [append([0, 10], 2, "p"), append([20, 30], 1, "q"), log("p", "q")],
  ],
  ["a token that is refused without reason", "EXP-010", [append([0, 10], 1, "p", "refused"), log()]],
  ["an append that is lost", "DUR-002", [append([0, 10], 1, "p"), log()]],
  [
    "a refused append that is present",
    "ATM-003",
    [append([0, 10], 2, "p", "unknown"), append([20, 30], 1, "q", "refused"), log("q")],
  ],
  ["a version of two commits", "CUR-018", [commit([0, 10], 1, acked(1, 1)), commit([5, 15], 2, acked(1, 2))]],
  ["a version that falls", "CUR-002", [commit([0, 10], 1, acked(2, 1)), commit([20, 30], 2, acked(1, 2))]],
  ["a commit on another version", "CUR-007", [commit([0, 10], 1, acked(1, 1)), commit([20, 30], 2, acked(2, 2), 0)]],
  [
    "a commit that is refused without reason",
    "CUR-008",
    [commit([0, 10], 1, acked(1, 1)), commit([20, 30], 2, { is: "conflict" }, 1)],
  ],
  [
    "an old state",
    "CUR-022",
    [commit([0, 10], 1, acked(1, 1)), commit([20, 30], 2, acked(2, 2)), read([40, 50], 1, 1)],
  ],
  ["a cursor that is lost", "CUR-022", [commit([0, 10], 1, acked(1, 1)), read([40, 50])]],
  ["an offset that is lost", "CUR-005", [commit([0, 10], 1, acked(1, 1)), read([40, 50], 1, 7)]],
  [
    "a commit that is not counted",
    "CUR-017",
    [commit([0, 10], 1, acked(1, 1)), commit([5, 15], 2, acked(1, 2)), read([40, 50], 1, 2)],
  ],
  ["a version without a commit", "CUR-002", [commit([0, 10], 1, acked(1, 1)), read([40, 50], 2, 1)]],
  [
    "an unexplained failure",
    "LOU-001",
    [{ kind: "failure", start: 0, end: 1, space: "", what: "acquire", reason: "DATA_LOSS", message: "" }],
  ],
])("finds %s", (_, clause, history) => {
  expect(clausesOf(history)).toContain(clause);
});
