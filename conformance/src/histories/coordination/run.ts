import { Protocol } from "@streamkit/protocol/conformance";
import type { Cluster } from "../../lab/cluster.ts";
import { ConnectClient } from "../../suite/client/connect-client.ts";
import { Session } from "../../suite/run/session.ts";
import { Trace } from "../../suite/run/trace.ts";
import type { Violation } from "../entries/space-history.ts";
import { ClusterNemesis } from "../instances/nemesis.ts";
import { failuresOf } from "../instances/run.ts";
import { planTrouble } from "../instances/trouble.ts";
import { CoordinationCalls } from "./calls.ts";
import { checkCoordination } from "./check.ts";
import type { CoordinationEvent } from "./event.ts";
import { planCoordination } from "./plan.ts";
import { runCoordination } from "./workload.ts";

export interface CoordinationOptions {
  /** Default: 8. */
  readonly clients?: number;
  /** Number of steps per client. Default: 40. */
  readonly steps?: number;
  /** Number of troubles. Default: 8. */
  readonly troubles?: number;
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
  { clients = 8, steps = 40, troubles = 8 }: CoordinationOptions = {},
): Promise<CoordinationResult> {
  const instances = cluster.members.map(({ instance }) => instance);
  const plan = planCoordination(seed, { instances: instances.length, clients, steps });
  const target = { instances, token: "", protocol: Protocol.GRPC };
  const session = await Session.open(async (observe) => new ConnectClient(observe), target, new Trace());
  const history: CoordinationEvent[] = [];
  const calls = new CoordinationCalls(session, plan.store, CALL_MILLIS, (event) => history.push(event));
  const trouble = planTrouble({ seed, instances: instances.length, writes: clients * steps }, troubles);
  const nemesis = new ClusterNemesis(cluster, trouble, seed);
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
  return { seed, history, trouble: nemesis.made, violations: [...stuck, ...checkCoordination(history)] };
}
