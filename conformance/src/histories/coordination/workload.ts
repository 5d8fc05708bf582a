import { setTimeout } from "node:timers/promises";
import type { Nemesis } from "../entries/workload.ts";
import type { CoordinationCalls } from "./calls.ts";
import { CoordinationClient } from "./client.ts";
import { type CoordinationPlan, CURSORS, KEYS, SPACES, TTL_MILLIS } from "./plan.ts";

/** Time limit of a call after all trouble has ended: as much as a busy machine needs. */
const CALM_CALL_MILLIS = 20_000;
/**
 * Time limit for a lease to become free. Every instance may start to observe it only when it is asked, one after the
 * other.
 */
const FREE_MILLIS = 30_000;
const PAUSE_MILLIS = TTL_MILLIS / 10;

/**
 * Runs a plan. After all trouble has ended, checks that every lease can be acquired, and reads everything at every
 * instance.
 *
 * @throws Error if the servers do not recover
 */
export async function runCoordination(
  plan: CoordinationPlan,
  calls: CoordinationCalls,
  nemesis: Nemesis,
): Promise<void> {
  let steps = 0;
  const run = (planned: CoordinationPlan["clients"][number], number: number): Promise<void> =>
    new CoordinationClient(calls, number).run(planned, () => nemesis.progress(++steps));
  await Promise.all(plan.clients.map(run));
  await nemesis.heal();
  calls.callMillis = CALM_CALL_MILLIS;
  await Promise.all(KEYS.map((key, index) => takeLast(calls, key, (plan.seed + index) % plan.instances)));
  for (const name of CURSORS) await commitLast(calls, name, plan);
}

/** LEA-016: a client that keeps asking gets the lease, and then may write. */
async function takeLast(calls: CoordinationCalls, key: string, instance: number): Promise<void> {
  const caller = { actor: "last", instance };
  const end = performance.now() + FREE_MILLIS;
  for (;;) {
    const { outcome } = await calls.lease(caller, "acquire", key);
    if (outcome.is === "granted") {
      const append = await calls.append(caller, key, outcome.token, `last.${key}`);
      if (append.outcome.is !== "acked") throw new Error(`the last holder of ${key} cannot write`);
      if (!(await calls.log(caller, key))) throw new Error(`${key} cannot be read, although all trouble is over`);
      return;
    }
    if (performance.now() > end)
      throw new Error(`${key} cannot be leased: ${outcome.is}, although all trouble is over`);
    await setTimeout(PAUSE_MILLIS);
  }
}

/** Commits on the version that the first instance shows, and reads the cursor at all instances. */
async function commitLast(calls: CoordinationCalls, name: string, { instances }: CoordinationPlan): Promise<void> {
  const [space] = SPACES;
  const actor = "last";
  const found = await calls.read({ actor, instance: 0 }, name);
  const commit = { name, space: space!, offset: 1, expected: found?.version };
  const { outcome } = await calls.commit({ actor, instance: instances - 1 }, commit);
  if (outcome.is !== "acked") throw new Error(`${name} cannot be committed, although all trouble is over`);
  for (let instance = 0; instance < instances; instance++) await calls.read({ actor, instance }, name);
}
