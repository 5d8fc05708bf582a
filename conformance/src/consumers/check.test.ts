import { describe, expect, it } from "vitest";
import { checkSoak } from "./check.ts";
import { handOversOf } from "./hand-overs.ts";
import type { ConsumerEvent, SoakEvent, SoakHistory } from "./history.ts";
import { consumerTroubles, instanceTroubles } from "./plan.ts";
import type { InputEntry, Output } from "./settings.ts";

/** The entries of one segment. */
const inputs: InputEntry[] = ["a", "b", "c", "d"].map((id, index) => {
  return { id, space: "orders", segment: "o-1", sequence: index + 1 };
});

/** The output of a process under a token: its takeover, then the entries with these sequences. */
function wrote(process: string, token: number, ...sequences: number[]): Output[] {
  const handled = sequences.map((sequence) => ({ process, token, input: inputs[sequence - 1] }));
  return [{ process, token }, ...handled];
}

const at = (millis: number, process: string, event: ConsumerEvent): SoakEvent => ({ at: millis, process, ...event });
const state = (millis: number, process: string, name: string): SoakEvent =>
  at(millis, process, { kind: "state", state: name });
const output = (millis: number, process: string, token: number): SoakEvent =>
  at(millis, process, { kind: "output", token });

/** "a" is killed, and "b" takes over. */
const events: SoakEvent[] = [
  state(0, "a", "running"),
  output(50, "a", 1),
  state(100, "b", "standby"),
  at(5_000, "a", { kind: "killed" }),
  state(6_700, "b", "running"),
  output(6_900, "b", 2),
];

const good: SoakHistory = {
  ttl: 2_000,
  callMillis: 1_000,
  events,
  acked: ["a", "b", "c"],
  inputs,
  outputs: [...wrote("a", 1, 1, 2), ...wrote("b", 2, 2, 3, 4)],
};

function rules(changes: Partial<SoakHistory>): string[] {
  return [...new Set(checkSoak({ ...good, ...changes }).map(({ rule }) => rule))];
}

describe("the checker of exclusive consumers", () => {
  it("accepts that a successor handles earlier entries again, in order", () => {
    expect(rules({})).toEqual([]);
    expect(rules({ outputs: [...wrote("a", 1, 1, 2, 3), ...wrote("b", 2), ...wrote("c", 3, 1, 2, 3, 4)] })).toEqual([]);
  });

  it("finds an entry that was not handled, and one that is not stored", () => {
    expect(rules({ outputs: [...wrote("a", 1, 1, 2), ...wrote("b", 2, 2, 3)] })).toEqual(["handled"]);
    expect(rules({ acked: ["a", "e"] })).toEqual(["handled"]);
    const invented = { process: "b", token: 2, input: { ...inputs[1], segment: "o-2" } };
    expect(rules({ outputs: [...good.outputs, invented] })).toContain("handled");
  });

  it("finds an entry that was skipped and handled later", () => {
    expect(rules({ outputs: [...wrote("a", 1, 1), ...wrote("b", 2, 3, 4), ...wrote("c", 3, 2, 3, 4)] })).toEqual([
      "order",
    ]);
    expect(rules({ outputs: wrote("a", 1, 1, 2, 4, 3) })).toEqual(["order"]);
    expect(rules({ outputs: wrote("a", 1, 1, 2, 3, 3, 4) })).toEqual(["order"]);
  });

  it("finds two concurrent holders", () => {
    const late = { process: "a", token: 1, input: inputs[2] };
    const [takeover, ...others] = wrote("b", 2, 2, 3, 4) as [Output, ...Output[]];
    expect(rules({ outputs: [...wrote("a", 1, 1, 2), late, takeover, ...others] })).toEqual([]);
    expect(rules({ outputs: [...wrote("a", 1, 1, 2), takeover, late, ...others] })).toEqual(["one holder"]);
    expect(rules({ outputs: [...wrote("a", 1, 1, 2), ...wrote("b", 1, 3, 4)] })).toEqual(["one holder"]);
  });

  it("finds a process that continues without a freeze after another has begun, but allows it the duration of a call", () => {
    const both = [...events.filter((event) => event.at !== 5_000), state(9_000, "a", "retrying")];
    expect(rules({ events: both })).toEqual(["one holder"]);
    expect(rules({ events: [...both, state(7_000, "a", "retrying")] })).toEqual([]);
  });

  it("finds a process that ended by itself, and one that reports a failure", () => {
    expect(rules({ events: [...events, at(9_000, "b", { kind: "died", how: "it ended with code 1" })] })).toEqual([
      "alive",
    ]);
    expect(rules({ events: [...events, state(9_000, "b", "failed")] })).toEqual(["alive"]);
  });
});

describe("a hand-over", () => {
  it("lasts from the kill or freeze to the next running state, and to the first output", () => {
    expect(handOversOf(good)).toEqual([
      {
        cause: "killed",
        from: 5_000,
        to: 6_700,
        by: "b",
        outputAt: 6_900,
        troubles: 0,
        bound: 3_250,
        outputBound: 7_250,
      },
    ]);
    const frozen = events.map((event) => (event.at === 5_000 ? at(5_000, "a", { kind: "frozen" }) : event));
    // The process wakes up and learns that it lost the lease, which no longer matters.
    const later = [at(8_000, "a", { kind: "thawed" }), state(8_001, "a", "retrying"), state(8_100, "a", "standby")];
    expect(handOversOf({ ...good, events: [...frozen, ...later] })).toMatchObject([
      { cause: "frozen", from: 5_000, to: 6_700, by: "b" },
    ]);
  });

  it("is none if the frozen process wakes up in time, and begins later if it gives up", () => {
    const short = [
      ...events.slice(0, 3),
      at(1_000, "a", { kind: "frozen" }),
      at(1_500, "a", { kind: "thawed" }),
      at(1_700, "a", { kind: "committed" }),
    ];
    expect(handOversOf({ ...good, events: short })).toEqual([]);
    const lost = [...short, state(7_000, "a", "retrying"), state(7_300, "b", "running")];
    expect(handOversOf({ ...good, events: lost })).toMatchObject([{ cause: "gave up", from: 7_000, to: 7_300 }]);
    // It may have renewed the lease when it woke up, without receiving the answer.
    const late = [...short.slice(0, -1), state(2_000, "a", "retrying"), state(3_500, "b", "running")];
    expect(handOversOf({ ...good, events: late })).toMatchObject([{ cause: "frozen", from: 1_500, to: 3_500 }]);
    // It wakes up too late and gets the lease again: the hand-over still begins with the freeze.
    const self = [
      ...short.slice(0, -2),
      at(4_000, "a", { kind: "thawed" }),
      state(4_001, "a", "retrying"),
      state(4_200, "a", "running"),
    ];
    expect(handOversOf({ ...good, events: self })).toMatchObject([
      { cause: "frozen", from: 1_000, to: 4_200, by: "a" },
    ]);
  });

  it("is late if the lease or the output exceeds its bound", () => {
    const moved = (from: number, by: number): SoakEvent[] => {
      return events.map((event) => (event.at < from ? event : { ...event, at: event.at + by }));
    };
    expect(rules({ events: moved(6_700, 1_500) })).toEqual([]);
    expect(rules({ events: moved(6_700, 1_600) })).toEqual(["hand-over"]);
    expect(rules({ events: moved(6_900, 5_300) })).toEqual([]);
    expect(rules({ events: moved(6_900, 5_400) })).toEqual(["hand-over"]);
  });

  it("gets the time of an outage and one more hand-over, but none for an outage long before", () => {
    const outage = (from: number, to: number): SoakEvent[] => [
      ...events,
      { at: from, instance: 1, kind: "down", how: "freeze" },
      { at: to, instance: 1, kind: "up", how: "freeze" },
    ];
    const boundWith = (from: number, to: number) => handOversOf({ ...good, events: outage(from, to) })[0].bound;
    expect(boundWith(1_000, 2_900)).toBe(3_250);
    expect(boundWith(1_000, 3_100)).toBe(6_500);
    expect(boundWith(4_000, 5_500)).toBe(7_000);
    expect(boundWith(5_100, 9_000)).toBe(8_100);
    expect(boundWith(6_800, 9_000)).toBe(3_250);
  });
});

describe("a plan", () => {
  it("is the same for the same seed, and differs between seeds", () => {
    const first = (seed: number): unknown[] => {
      const plans = [consumerTroubles(seed, 1_000), instanceTroubles(seed, 1_000, 3)];
      return plans.map((plan) => Array.from({ length: 20 }, () => plan.next().value));
    };
    expect(first(1)).toEqual(first(1));
    expect(first(1)).not.toEqual(first(2));
  });
});
