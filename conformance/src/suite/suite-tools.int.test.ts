import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { type Case, CellSchema, KnownFailureSchema, Verdict } from "@streamkit/protocol/conformance";
import { describe, expect, it } from "vitest";
import { runHistory } from "../histories/entries/run.ts";
import { DEVIATIONS, runDeviation } from "../mutants/kill-matrix.ts";
import { loadCases, parseCases } from "./corpus/load.ts";
import { selectCases } from "./corpus/select.ts";
import { junit } from "./report/junit.ts";
import { runSuite } from "./run/suite.ts";

const cases = loadCases();
const first = selectCases(cases, { ids: ["APPEND-FIRST"], clauses: [] });

function cellOf(backend: string, transport: string) {
  return create(CellSchema, { backend, transport, wrapper: "plain", client: "raw" });
}

describe("the runner", () => {
  it("fails a case whose expectation does not hold, with a trace of the wire", async () => {
    const wrong: Case[] = parseCases(`
cases:
  - id: WRONG
    title: an expectation that does not hold
    clauses: [ORD-001]
    steps: [{call: Append, request: {records: [a]}, expect: {response: {ranges: [{first_sequence: 2}]}}}]
`);
    const report = await runSuite({ cells: [cellOf("memory", "in-process")], cases: wrong, anyStore: true });
    expect(report.conforms).toBe(false);
    expect(report.results[0]?.verdict).toBe(Verdict.FAIL);
    expect(report.results[0]?.reason).toContain("response.ranges.0.first_sequence: expected 2");
    expect(report.results[0]?.trace.length).toBeGreaterThan(3);
    expect(junit(report, new Map())).toContain("<failure");
  });

  it.each([
    ["does not accept a known failure that passes", false, Verdict.UNEXPECTED_PASS],
    ["accepts an intermittent known failure that passes", true, Verdict.PASS],
  ])("%s", async (_, intermittent, verdict) => {
    const known = create(KnownFailureSchema, { caseId: "APPEND-FIRST", reason: "for the test", intermittent });
    const cells = [cellOf("memory", "in-process")];
    const report = await runSuite({ cells, cases: first, anyStore: true, knownFailures: [known] });
    expect(report.results[0]?.verdict).toBe(verdict);
    expect(report.conforms).toBe(verdict === Verdict.PASS);
  });

  it("drives a client program over its standard streams", { timeout: 120_000 }, async () => {
    const adapter = fileURLToPath(new URL("../../adapters/typescript/main.ts", import.meta.url));
    const clientCommand = `${process.execPath} --conditions=@streamkit/source ${adapter}`;
    const few = selectCases(cases, { ids: ["APPEND-FIRST", "EXPECT-WRONG", "FOLLOW-LIVE-SEGMENT"], clauses: [] });
    const report = await runSuite({
      cells: [cellOf("memory", "connect-h2")],
      cases: few,
      anyStore: true,
      clientCommand,
    });
    expect(report.results.map(({ caseId, reason }) => `${caseId} ${reason}`.trim()).sort()).toEqual(
      few.map(({ id }) => id).sort(),
    );
    expect(report.conforms).toBe(true);
  });

  it.each([
    ["ignored-expectation", "EXPECT-"],
    ["trusted-head", "EVERYWHERE-APPEND"],
    ["lost-update", "EVERYWHERE-TURNS"],
    ["never-polls", "EVERYWHERE-FOLLOW-IDLE"],
    ["private-dedupe", "DEDUPE-RETRY"],
    ["unseen-trims", "EVERYWHERE-TRIM"],
    ["quiet-trims", "WATCH-TRIM"],
    ["shared-lease", "LEASE-HELD"],
    ["remembered-leases", "EVERYWHERE-LEASE"],
    ["lost-cursor-update", "CURSOR-CONCURRENT"],
    ["ghost-workers", "PRESENCE-CHANGES"],
    ["open-door", "ACCESS-NO-CREDENTIALS-APPEND"],
    ["ignored-verbs", "ACCESS-NEEDS-VERB-APPEND"],
    ["first-message-only", "ACCESS-PRODUCE"],
    ["leaked-existence", "ACCESS-OTHER-STORE-PEEK"],
  ])("finds a broken server: %s", async (name, id) => {
    const deviation = DEVIATIONS.find((each) => each.name === name);
    const { failed } = await runDeviation(deviation!, selectCases(cases, { ids: [id], clauses: [] }), 1);
    expect(failed.length).toBeGreaterThan(0);
  });

  it("accepts two sound instances", { timeout: 120_000 }, async () => {
    const selected = selectCases(cases, { ids: ["EVERYWHERE-A", "EVERYWHERE-TURNS", "EVERYWHERE-TRIM"], clauses: [] });
    // A sound server gets the normal time limits, because no step has to fail soon.
    const sound = { name: "sound", wrong: "", where: "instances" } as const;
    const { failed, passed } = await runDeviation(sound, selected, undefined, 30_000);
    expect(failed).toEqual([]);
    expect(passed.length).toBe(selected.length);
  });

  it("refuses an unknown wrapper", async () => {
    const cells = [create(CellSchema, { backend: "memory", transport: "in-process", wrapper: "twoinstances" })];
    await expect(runSuite({ cells, cases: first, anyStore: true })).rejects.toThrow("there is no wrapper");
  });
});

describe("generated histories", () => {
  it("are good on a server that is killed", async () => {
    const seed = 20_260;
    const result = await runHistory(seed, cellOf("level", "grpc"), { anyStore: true }, { transactions: 80, kills: 2 });
    expect(result.violations, `seed ${seed}`).toEqual([]);
    expect(result.appends.acked).toBeGreaterThan(20);
  }, 60_000);

  it("are good on two instances", async () => {
    const seed = 20_261;
    const cell = create(CellSchema, { ...cellOf("memory", "in-process"), wrapper: "two-instances" });
    const result = await runHistory(seed, cell, { anyStore: true }, { transactions: 80 });
    expect(result.violations, `seed ${seed}`).toEqual([]);
    expect(result.appends.acked).toBeGreaterThan(20);
  }, 60_000);
});
