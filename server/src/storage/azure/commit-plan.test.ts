import { describe, expect, it } from "vitest";
import type { CommitBatch } from "../port.ts";
import { type CommitPlan, planCommit, type RowState } from "./commit-plan.ts";
import { MAX_TRANSACTION_OPERATIONS } from "./limits.ts";
import { restRowKey, rowKeyOf } from "./row-key.ts";

const etag = (number: number) => `W/"datetime'${number}'"`;
const key = (name: string) => Buffer.from(name);
const rowKey = (name: string) => rowKeyOf(key(name));

/** Operations in short: kind, key, ETag. */
function plan(batch: Partial<CommitBatch>, states: Record<string, RowState> = {}, rests: Record<string, string> = {}) {
  const byRowKey = new Map(Object.entries(states).map(([name, state]) => [rowKey(name), state]));
  const planned = planCommit(
    { conditions: [], puts: [], deletes: [], ...batch },
    {
      states: byRowKey,
      restOf: (wanted) => Object.entries(rests).find(([name]) => rowKey(name) === wanted)?.[1],
      newGeneration: () => "new",
    },
  );
  return planned && { ...planned, short: planned.operations.map((operation) => shortOf(operation)) };
}

function shortOf(operation: CommitPlan["operations"][number]): string {
  const name = ["a", "b"].find((candidate) => rowKey(candidate) === operation.rowKey) ?? "?";
  return [operation.kind, name, "etag" in operation ? operation.etag : undefined].filter(Boolean).join(" ");
}

const put = (name: string) => ({ key: key(name), value: [key("value")] });

describe("the plan of a commit", () => {
  it("has one operation for each row", () => {
    const conditions = [
      { key: key("a"), version: etag(1) },
      { key: key("b"), version: null },
    ];
    expect(plan({ conditions, puts: [put("b"), put("a")] })?.short).toEqual(["insert b", `replace a ${etag(1)}`]);
    expect(plan({ conditions, deletes: [key("a")] })?.short).toEqual([`delete a ${etag(1)}`, "insert b"]);
    expect(plan({ conditions })?.short).toEqual([`merge a ${etag(1)}`, "insert b"]);
    expect(plan({ puts: [put("a")], deletes: [key("b")] })?.short).toEqual(["replace a", "delete b"]);
  });

  it("does not exist for a version that no row ever had, nor for two versions of one row", () => {
    for (const versions of [[7], ["7"], [etag(1), etag(2)], [null, etag(1)]]) {
      expect(plan({ conditions: versions.map((version) => ({ key: key("a"), version })) })).toBeUndefined();
    }
  });

  it("follows the actual rows, once they were read", () => {
    const atVersion = [{ key: key("a"), version: etag(1) }];
    const absent = [{ key: key("a"), version: null }];
    const touched: RowState = { kind: "row", version: etag(1), etag: etag(9) };
    const mark: RowState = { kind: "absence", etag: etag(8) };
    expect(plan({ conditions: atVersion, puts: [put("a")] }, { a: touched })?.short).toEqual([`replace a ${etag(9)}`]);
    expect(plan({ conditions: absent, puts: [put("a")] }, { a: mark })?.short).toEqual([`replace a ${etag(8)}`]);
    expect(plan({ conditions: absent }, { a: mark })?.short).toEqual([`replace a ${etag(8)}`]);
    expect(plan({ deletes: [key("a")] }, { a: { kind: "missing" } })?.short).toEqual([]);
    expect(plan({ conditions: absent, puts: [put("a")] }, { a: touched })).toBeUndefined();
    expect(plan({ conditions: atVersion, puts: [put("a")] }, { a: mark })).toBeUndefined();
    expect(plan({ conditions: atVersion }, { a: { ...touched, version: etag(2) } })).toBeUndefined();
  });

  it("lists the decisive failures: those of rows that every commit with a condition on them also writes", () => {
    const conditions = [
      { key: key("a"), version: etag(1), alwaysWritten: true },
      { key: key("b"), version: null },
    ];
    const planned = plan({ conditions, puts: [put("b"), put("a")] });
    expect(planned?.short).toEqual(["insert b", `replace a ${etag(1)}`]);
    expect([...(planned?.decisive ?? [])]).toEqual([1]);
    expect([...(plan({ conditions, deletes: [key("a")] })?.decisive ?? [])]).toEqual([0]);
    expect(plan({ puts: [put("a")] })?.decisive.size).toBe(0);
  });

  it("deletes rests with their rows as far as there is room, and lists the remaining ones", () => {
    const names = Array.from({ length: 90 }, (_, index) => `row${index}`);
    const rests = Object.fromEntries(names.map((name) => [name, "old"]));
    const planned = plan({ deletes: names.map(key) }, {}, rests)!;
    expect(planned.operations.length).toBe(MAX_TRANSACTION_OPERATIONS);
    expect(planned.leftRests).toEqual(names.slice(10).map((name) => restRowKey(rowKey(name), "old")));
  });
});
