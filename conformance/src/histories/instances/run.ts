import type { Cluster } from "../../lab/cluster.ts";
import type { ClientFactory } from "../../suite/client/client-under-test.ts";
import { ConnectClient } from "../../suite/client/connect-client.ts";
import { nodeTransports } from "../../suite/client/transports.ts";
import { TRANSPORTS } from "../../suite/run/cell.ts";
import { Session } from "../../suite/run/session.ts";
import { Trace } from "../../suite/run/trace.ts";
import { checkHistory } from "../entries/check.ts";
import type { Event, FailureEvent } from "../entries/event.ts";
import { makePlan, writesOf } from "../entries/plan.ts";
import { type HistoryResult, resultOf } from "../entries/run.ts";
import { runPlan } from "../entries/workload.ts";
import { FaultySockets, type FaultySocketsOptions, SOCKET_CODES } from "../sockets/faulty-sockets.ts";
import { together } from "../sockets/socket-nemesis.ts";
import { ClusterNemesis } from "./nemesis.ts";
import { planTrouble } from "./trouble.ts";

export interface ClusterHistoryOptions extends FaultySocketsOptions {
  /** Default: 200. */
  readonly transactions?: number;
  /** Default: 2. */
  readonly spaces?: number;
  /** Default: 10. */
  readonly writers?: number;
  /** Number of troubles. Default: 12. */
  readonly troubles?: number;
  /** Time limit for followers to reach the end, in milliseconds, as in a workload. */
  readonly followMillis?: number;
  /** Name of the transport, as in a matrix file. Default: "grpc". */
  readonly transport?: string;
}

/**
 * Time limit of a call: long enough for a busy machine, shorter than some freezes. The caller repeats an unanswered
 * call elsewhere.
 */
const CALL_MILLIS = 1_000;

/** Generates a workload and trouble from a seed, runs both on a cluster, and checks the history. */
export async function runClusterHistory(
  seed: number,
  cluster: Cluster,
  options: ClusterHistoryOptions = {},
): Promise<HistoryResult> {
  const { transactions = 200, spaces = 2, writers = 10, troubles = 12, transport = "grpc", followMillis } = options;
  const { members } = cluster;
  const instances = members.map(({ instance }) => instance);
  await using sockets = await FaultySockets.start(instances, transport, options);
  const sessions = transport === "connect-h1" ? { sessions: 0 } : {};
  const plan = makePlan(seed, { instances: members.length, transactions, spaces, writers, ...sessions });
  const target = sockets?.target ?? { instances, token: "", protocol: TRANSPORTS[transport] };
  const client: ClientFactory = sockets?.client ?? (async (observe) => new ConnectClient(observe, nodeTransports()));
  const session = await Session.open(client, target, new Trace());
  const history: Event[] = [];
  const writes = writesOf(plan);
  const inside = new ClusterNemesis(cluster, planTrouble({ ...plan, writes }, troubles), seed);
  const outside = sockets?.nemesis({ seed, writes });
  const nemesis = outside === undefined ? inside : together(inside, outside);
  const made = () => [...inside.made, ...(outside?.made ?? [])];
  const limits = {
    callMillis: CALL_MILLIS,
    ...(followMillis === undefined ? {} : { followMillis }),
    ...(sockets === undefined ? {} : { bareCodes: SOCKET_CODES }),
  };
  try {
    await runPlan(plan, session, nemesis, (event) => history.push(event), limits);
  } catch (error) {
    // If the servers do not recover, the history is incomplete, but their failures may say why.
    history.push(...failuresOf(cluster));
    const failures = checkHistory(history.filter((event) => event.kind === "failure"));
    const stuck = { clause: "BAK-002", what: (error as Error).message };
    return { ...resultOf(seed, history, [stuck, ...failures]), trouble: made() };
  } finally {
    await nemesis.heal();
    await session.close();
  }
  history.push(...failuresOf(cluster));
  return { ...resultOf(seed, history, checkHistory(history)), trouble: made() };
}

/** Returns failures inside the instances that the trouble does not explain. */
export function failuresOf({ members }: Cluster): FailureEvent[] {
  return members.flatMap(({ instance, proxy }, index) => {
    // Nobody reads the recorded requests.
    proxy.takeRequests();
    const failures = instance.failures.filter(({ reason }) => reason !== "STORAGE_UNAVAILABLE");
    instance.failures = [];
    return failures.map(({ what, reason, message }) => {
      return { kind: "failure", start: 0, end: 0, space: "", what: `instance ${index}: ${what}`, reason, message };
    });
  });
}
