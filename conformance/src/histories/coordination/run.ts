import type { Cluster } from "../../lab/cluster.ts";
import type { ClientFactory } from "../../suite/client/client-under-test.ts";
import { ConnectClient } from "../../suite/client/connect-client.ts";
import { nodeTransports } from "../../suite/client/transports.ts";
import { TRANSPORTS } from "../../suite/run/cell.ts";
import { Session } from "../../suite/run/session.ts";
import { Trace } from "../../suite/run/trace.ts";
import type { Violation } from "../entries/space-history.ts";
import { ClusterNemesis } from "../instances/nemesis.ts";
import { failuresOf } from "../instances/run.ts";
import { planTrouble } from "../instances/trouble.ts";
import { FaultySockets, type FaultySocketsOptions } from "../sockets/faulty-sockets.ts";
import { together } from "../sockets/socket-nemesis.ts";
import { CoordinationCalls } from "./calls.ts";
import { checkCoordination } from "./check.ts";
import type { CoordinationEvent } from "./event.ts";
import { planCoordination } from "./plan.ts";
import { runCoordination } from "./workload.ts";

export interface CoordinationOptions extends FaultySocketsOptions {
  /** Default: 8. */
  readonly clients?: number;
  /** Number of steps per client. Default: 40. */
  readonly steps?: number;
  /** Number of troubles. Default: 8. */
  readonly troubles?: number;
  /** Name of the transport, as in a matrix file. Default: "grpc". */
  readonly transport?: string;
}

export interface CoordinationResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly history: readonly CoordinationEvent[];
  readonly trouble: readonly { readonly start: number }[];
}

/** Time limit of a call: long enough for a busy machine, shorter than some freezes. */
const CALL_MILLIS = 1_000;

/**
 * Generates a workload on leases and cursors, and trouble, from a seed. Runs both on a cluster and checks the history.
 */
export async function runCoordinationHistory(
  seed: number,
  cluster: Cluster,
  options: CoordinationOptions = {},
): Promise<CoordinationResult> {
  const { clients = 8, steps = 40, troubles = 8, transport = "grpc" } = options;
  const instances = cluster.members.map(({ instance }) => instance);
  const plan = planCoordination(seed, { instances: instances.length, clients, steps });
  await using sockets = await FaultySockets.start(instances, transport, options);
  const target = sockets?.target ?? { instances, token: "", protocol: TRANSPORTS[transport] };
  const client: ClientFactory = sockets?.client ?? (async (observe) => new ConnectClient(observe, nodeTransports()));
  const session = await Session.open(client, target, new Trace());
  const history: CoordinationEvent[] = [];
  const calls = new CoordinationCalls(session, plan.store, CALL_MILLIS, (event) => history.push(event));
  const writes = clients * steps;
  const inside = new ClusterNemesis(
    cluster,
    planTrouble({ seed, instances: instances.length, writes }, troubles),
    seed,
  );
  const outside = sockets?.nemesis({ seed, writes });
  const nemesis = outside === undefined ? inside : together(inside, outside);
  const stuck: Violation[] = [];
  try {
    await runCoordination(plan, calls, nemesis);
  } catch (error) {
    stuck.push({ clause: "LEA-016", what: (error as Error).message });
  } finally {
    await nemesis.heal();
    await session.close();
  }
  history.push(...failuresOf(cluster));
  const trouble = [...inside.made, ...(outside?.made ?? [])];
  return { seed, history, trouble, violations: [...stuck, ...checkCoordination(history)] };
}
