/** WebSockets that are cut, delayed, half-open or silent at random, also while servers are killed and frozen. */
import { create } from "@bufbuild/protobuf";
import { CellSchema } from "@streamkit/protocol/conformance";
import { expect, it } from "vitest";
import { type HistoryResult, runHistory } from "../entries/run.ts";
import { writeHistory } from "../entries/write-history.ts";
import { runSeeds } from "../instances/run-seeds.ts";

const CUTS = 16;

function expectGood(result: HistoryResult, transactions: number): void {
  const { seed, violations, appends, trouble } = result;
  const where = violations.length === 0 ? "" : ` (${writeHistory(result)})`;
  expect(violations, `seed ${seed}${where}`).toEqual([]);
  expect(trouble?.length).toBeGreaterThanOrEqual(CUTS);
  // There were entries to lose.
  expect(appends.acked).toBeGreaterThan(0.7 * transactions);
}

it.each([1, 2])(
  "generated history %i is good over WebSockets that break, at a server that is killed",
  {
    timeout: 300_000,
  },
  async (seed) => {
    const cell = create(CellSchema, { backend: "level", transport: "websocket", wrapper: "plain", client: "raw" });
    const result = await runHistory(seed, cell, { anyStore: true }, { transactions: 100, kills: 1, cuts: CUTS });
    expectGood(result, 100);
    // Calls did break.
    const { history } = result;
    expect(history.some((event) => event.kind === "append" && event.attempts > 1)).toBe(true);
  },
);

it("a generated history is good over WebSockets that break, on three instances in trouble", {
  timeout: 300_000,
}, async () => {
  const results: HistoryResult[] = [];
  const options = { instances: 3, transport: "websocket", transactions: 80, troubles: 6, cuts: CUTS };
  await runSeeds([1], options, (result) => results.push(result));
  expect(results.length).toBe(1);
  for (const result of results) expectGood(result, 80);
});
