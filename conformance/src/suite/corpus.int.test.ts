import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { CellSchema, Verdict } from "@streamkit/protocol/conformance";
import { describe, expect, it } from "vitest";
import { loadCases } from "./corpus/load.ts";
import { coveringCases, selectCases } from "./corpus/select.ts";
import { readKnownFailures } from "./run/matrix.ts";
import { runSuite } from "./run/suite.ts";

/** The fast slice: a few cells that differ widely. `npm run conformance` runs the whole matrix. */
describe("the corpus against the server of this repository", () => {
  const cases = loadCases();
  // For cells with expensive calls: all cases about several instances, and enough others to prove each clause.
  const fewer = [...new Set([...selectCases(cases, { ids: ["EVERYWHERE-"], clauses: [] }), ...coveringCases(cases)])];
  const reads = selectCases(cases, { ids: ["FOLLOW-", "MERGE-", "SEGMENT-", "SPACE-"], clauses: [] });
  const frames = selectCases(cases, { ids: ["SOCKET-"], clauses: [] });
  const access = selectCases(cases, { ids: ["ACCESS-", "SOCKET-OPENS", "APPEND-FIRST"], clauses: [] });
  const knownFailures = readKnownFailures(fileURLToPath(new URL("../../known-failures.yaml", import.meta.url)));

  it.each([
    ["memory", "in-process", "plain", "raw", cases],
    ["level", "grpc", "plain", "raw", cases],
    ["memory", "in-process", "restart", "sdk", cases],
    ["level", "connect-h1", "plain", "sdk-polling", reads],
    ["level", "websocket", "plain", "raw", frames],
    ["memory", "in-process", "auth", "raw", access],
    ["memory", "websocket", "auth", "raw", access],
    ["memory", "in-process", "two-instances", "raw", cases],
    ["azure", "in-process", "plain", "raw", fewer],
    ["azure", "grpc", "two-instances", "raw", fewer],
  ])(
    "%s over %s, %s, client %s",
    async (backend, transport, wrapper, client, selected) => {
      const cells = [create(CellSchema, { backend, transport, wrapper, client })];
      const report = await runSuite({ cells, cases: selected, anyStore: true, knownFailures });
      const failures = report.results.filter(({ verdict }) =>
        [Verdict.FAIL, Verdict.UNEXPECTED_PASS].includes(verdict),
      );
      expect(failures.map(({ caseId, reason }) => `${caseId}: ${reason}`)).toEqual([]);
      expect(report.results.length).toBe(selected.length);
      expect(report.conforms).toBe(true);
    },
    1_800_000,
  );
});
