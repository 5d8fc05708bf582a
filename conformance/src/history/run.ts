import type { Cell } from "@streamkit/protocol/conformance";
import { TRANSPORTS } from "../run/cell.ts";
import { openCell, type Subjects } from "../run/open-cell.ts";
import { Session } from "../run/session.ts";
import { Trace } from "../run/trace.ts";
import { AzureAccount } from "../server/azure-account.ts";
import { checkHistory, type Violation } from "./check.ts";
import { makePlan, type PlanOptions } from "./plan.ts";
import { runPlan } from "./workload.ts";

/** What one generated history showed. */
export interface HistoryResult {
  readonly seed: number;
  readonly appends: { readonly acked: number; readonly refused: number; readonly unknown: number };
  readonly entries: number;
  readonly violations: readonly Violation[];
}

/** Generates a workload from a seed, runs it in a cell and checks what happened. */
export async function runHistory(
  seed: number,
  cell: Cell,
  subjects: Subjects,
  options: PlanOptions = {},
): Promise<HistoryResult> {
  await using azure = new AzureAccount(subjects.azureConnectionString);
  await using open = await openCell(cell, subjects, azure);
  const { instances, client } = open;
  const session = await Session.open(
    client,
    { instances, token: "", protocol: TRANSPORTS[cell.transport]! },
    new Trace(),
  );
  const canBeKilled = instances[0]!.capabilities.includes("kill");
  const history = await runPlan(makePlan(seed, canBeKilled ? options : { ...options, kills: 0 }), session);
  await session.close();
  const outcomes = history.flatMap((event) => (event.kind === "append" ? [event.outcome.is] : []));
  const of = (is: string): number => outcomes.filter((outcome) => outcome === is).length;
  return {
    seed,
    appends: { acked: of("acked"), refused: of("refused"), unknown: of("unknown") },
    entries: history.reduce((sum, event) => sum + (event.kind === "read" ? event.entries.length : 0), 0),
    violations: checkHistory(history),
  };
}
