import type { Cell } from "@streamkit/protocol/conformance";
import { TRANSPORTS } from "../../suite/run/cell.ts";
import { openCell, type Subjects } from "../../suite/run/open-cell.ts";
import { Session } from "../../suite/run/session.ts";
import { Trace } from "../../suite/run/trace.ts";
import { AzureAccount } from "../../suite/server/azure-account.ts";
import type { ServerUnderTest } from "../../suite/server/server-under-test.ts";
import { FaultySockets, type FaultySocketsOptions, SOCKET_CODES } from "../sockets/faulty-sockets.ts";
import { together } from "../sockets/socket-nemesis.ts";
import { checkHistory, type Violation } from "./check.ts";
import type { Event } from "./event.ts";
import { Kills } from "./kills.ts";
import { makePlan, type PlanOptions, writesOf } from "./plan.ts";
import { runPlan } from "./workload.ts";

/** The result of one generated history. */
export interface HistoryResult {
  readonly seed: number;
  readonly appends: { readonly acked: number; readonly refused: number; readonly unknown: number };
  readonly entries: number;
  readonly violations: readonly Violation[];
  readonly history: readonly Event[];
  /** The troubles and the times at which they began, for people. */
  readonly trouble?: readonly { readonly start: number }[];
}

export interface HistoryOptions extends PlanOptions, FaultySocketsOptions {
  /** Number of kills of the server, if it can be killed. Default: 0. */
  readonly kills?: number;
  /** Time limit for followers to reach the end, in milliseconds, as in a workload. */
  readonly followMillis?: number;
}

/**
 * Generates a workload from a seed, runs it in a cell and checks its history.
 *
 * @throws Error if there are cuts and the transport is not "websocket"
 */
export async function runHistory(
  seed: number,
  cell: Cell,
  subjects: Subjects,
  options: HistoryOptions = {},
): Promise<HistoryResult> {
  await using azure = new AzureAccount(subjects.azureConnectionString);
  await using open = await openCell(cell, subjects, azure);
  const { instances } = open;
  await using sockets = await FaultySockets.start(instances, cell.transport, options);
  const direct = { instances, token: "", protocol: TRANSPORTS[cell.transport] };
  const session = await Session.open(sockets?.client ?? open.client, sockets?.target ?? direct, new Trace());
  const sessions = cell.transport === "connect-h1" ? { sessions: 0 } : {};
  const plan = makePlan(seed, { ...options, ...sessions, instances: instances.length });
  const [first] = instances as [ServerUnderTest];
  const kills = new Kills(first, plan, first.capabilities.includes("kill") ? (options.kills ?? 0) : 0);
  const nemesis = sockets?.nemesis({ seed, writes: writesOf(plan) });
  const history: Event[] = [];
  const limits = {
    ...(options.followMillis === undefined ? {} : { followMillis: options.followMillis }),
    ...(sockets === undefined ? {} : { bareCodes: SOCKET_CODES }),
  };
  const record = (event: Event) => history.push(event);
  await runPlan(plan, session, nemesis === undefined ? kills : together(kills, nemesis), record, limits);
  await session.close();
  return { ...resultOf(seed, history, checkHistory(history)), trouble: nemesis?.made ?? [] };
}

export function resultOf(seed: number, history: readonly Event[], violations: readonly Violation[]): HistoryResult {
  const outcomes = history.flatMap((event) => (event.kind === "append" ? [event.outcome.is] : []));
  const of = (is: string): number => outcomes.filter((outcome) => outcome === is).length;
  return {
    seed,
    appends: { acked: of("acked"), refused: of("refused"), unknown: of("unknown") },
    entries: history.reduce((sum, event) => sum + (event.kind === "read" ? event.entries.length : 0), 0),
    violations,
    history,
  };
}
