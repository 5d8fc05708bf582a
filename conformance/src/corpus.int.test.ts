import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { CellSchema, Verdict } from "@streamkit/protocol/conformance";
import { describe, expect, it } from "vitest";
import { loadCases } from "./corpus/load.ts";
import { readKnownFailures } from "./run/matrix.ts";
import { runSuite } from "./run/suite.ts";

/** The fast slice: two cells that differ in everything. `npm run conformance` runs the whole matrix. */
describe("the corpus against the server of this repository", () => {
  const cases = loadCases();
  const knownFailures = readKnownFailures(fileURLToPath(new URL("../known-failures.yaml", import.meta.url)));

  it.each([
    ["memory", "in-process", "plain", "raw"],
    ["level", "grpc", "plain", "raw"],
    ["memory", "in-process", "restart", "sdk"],
  ])(
    "%s over %s, %s, client %s",
    async (backend, transport, wrapper, client) => {
      const cells = [create(CellSchema, { backend, transport, wrapper, client })];
      const report = await runSuite({ cells, cases, anyStore: true, knownFailures });
      const failures = report.results.filter(({ verdict }) => verdict === Verdict.FAIL);
      expect(failures.map(({ caseId, reason }) => `${caseId}: ${reason}`)).toEqual([]);
      expect(report.results.length).toBe(cases.length);
      expect(report.conforms).toBe(true);
    },
    180_000,
  );
});
