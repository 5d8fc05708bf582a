import { describe, expect, it } from "vitest";
import { readClauses } from "./clauses.ts";
import { loadCases } from "./load.ts";

describe("the corpus and the specification", () => {
  const clauses = readClauses();
  const cases = loadCases();

  it("has at least 250 cases", () => {
    expect(cases.length).toBeGreaterThanOrEqual(250);
  });

  it("proves every MUST clause with at least one case", () => {
    const proved = new Set(cases.flatMap((one) => one.clauses));
    const bare = [...clauses.values()].filter(({ id, strength }) => strength === "MUST" && !proved.has(id));
    expect(bare.map(({ id }) => id)).toEqual([]);
  });

  it("names no clause that the specification does not have", () => {
    const unknown = cases.flatMap((one) =>
      one.clauses.filter((id) => !clauses.has(id)).map((id) => `${one.id}: ${id}`),
    );
    expect(unknown).toEqual([]);
  });

  it("asks only for capabilities that are documented", () => {
    const known = new Set([
      "raw",
      "full_duplex",
      "many_streams",
      "crowds",
      "hold",
      "deadline",
      "actors",
      "micros",
      "resume",
      "segment_status",
      "leases",
      "cursors",
      "presence",
      "pages",
      "renewals",
      "socket",
      "frames",
      "auth",
      "any_store",
      "one_clock",
      "without_cursor",
      "without_lease",
      "without_presence",
      "without_segment-status",
      "durable",
      "restart",
      "kill",
      "damage",
    ]);
    const unknown = cases.flatMap((one) =>
      one.needs.filter((need) => !known.has(need)).map((need) => `${one.id}: ${need}`),
    );
    expect(unknown).toEqual([]);
  });
});
