import { Protocol } from "@streamkit/protocol/conformance";
import { expect, it } from "vitest";
import { DEVIATIONS } from "../../mutants/kill-matrix.ts";
import { ConnectClient } from "../../suite/client/connect-client.ts";
import { nodeTransports } from "../../suite/client/transports.ts";
import { Session } from "../../suite/run/session.ts";
import { Trace } from "../../suite/run/trace.ts";
import { EmbeddedServer } from "../../suite/server/embedded-server.ts";
import { checkHistory } from "./check.ts";
import type { Event } from "./event.ts";
import { Kills } from "./kills.ts";
import { makePlan } from "./plan.ts";
import { runPlan } from "./workload.ts";

/** Returns the clauses that a generated history on a broken server breaks. */
async function brokenClauses(deviationName: string | undefined, seed: number): Promise<string[]> {
  const transport = DEVIATIONS.find(({ name }) => name === deviationName)?.transport;
  const server = new EmbeddedServer({ backend: "memory", ...(transport && { wrapTransport: transport }) });
  const target = { instances: [server], token: "", protocol: Protocol.IN_PROCESS };
  const client = async (observe: ConstructorParameters<typeof ConnectClient>[0]) =>
    new ConnectClient(
      observe,
      nodeTransports(() => server.transport()),
    );
  const session = await Session.open(client, target, new Trace());
  const plan = makePlan(seed);
  const history: Event[] = [];
  const record = (event: Event) => history.push(event);
  // Followers of a broken server may wait in vain, so their time is short. Those of a sound server get as much as a
  // busy machine needs.
  const options = deviationName === undefined ? {} : { followMillis: 500 };
  await runPlan(plan, session, new Kills(server, plan, 0), record, options);
  await session.close();
  await server.close();
  return [...new Set(checkHistory(history).map(({ clause }) => clause))].sort();
}

it.each([
  [undefined, []],
  ["torn-transaction", ["ATM-002"]],
  ["duplicate-after-retry", ["DED-001"]],
  ["ignored-expectation", ["EXP-001"]],
  ["sequence-off-by-one", ["APP-001"]],
  ["reordered-live-events", ["ORD-002"]],
  ["lost-hand-over-entry", ["ORD-002"]],
  ["dropped-last-record", ["LIN-001"]],
])("a generated history finds %s", async (deviation, clauses) => {
  const found = await brokenClauses(deviation, 7);
  if (clauses.length === 0) expect(found).toEqual([]);
  else expect(found).toEqual(expect.arrayContaining(clauses));
});
