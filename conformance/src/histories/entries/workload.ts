import { setTimeout } from "node:timers/promises";
import type { Session } from "../../suite/run/session.ts";
import { Caller } from "./caller.ts";
import type { AppendEvent, Event } from "./event.ts";
import { Follower } from "./follower.ts";
import { type Plan, SEGMENTS } from "./plan.ts";
import { Writer } from "./writer.ts";

/** Makes trouble while a workload runs. */
export interface Nemesis {
  /**
   * Called after each write of the plan, so that trouble comes at the same places regardless of the speed of the
   * servers.
   *
   * @param writes number of writes so far
   */
  progress(writes: number): void;
  /** Ends all trouble. Resolves once every server works and will continue to. */
  heal(): Promise<void>;
}

export interface WorkloadOptions {
  /** Time limit of a call in milliseconds; after it, the outcome counts as unknown. Default: 5,000. */
  readonly callMillis?: number;
  /** Time limit for followers to reach the end after the last write, in milliseconds. Default: 20,000. */
  readonly followMillis?: number;
  /** Codes of failures without details that trouble explains, as for a caller. */
  readonly bareCodes?: ReadonlySet<string>;
}

const READ_PAUSE_MILLIS = 20;
/** Time limit of a call after all trouble has ended: as much as a busy machine needs. */
const CALM_CALL_MILLIS = 20_000;

/**
 * Runs a plan against servers and records the events. Afterwards all trouble has ended, every outcome is known,
 * followers have had time to receive everything, and every server has been read completely.
 *
 * @param record receives each event when it ends
 * @throws Error if the servers do not recover
 */
export async function runPlan(
  plan: Plan,
  session: Session,
  nemesis: Nemesis,
  record: (event: Event) => void,
  options: WorkloadOptions = {},
): Promise<void> {
  const history: Event[] = [];
  const { store, instances } = plan;
  const note = (event: Event): void => {
    history.push(event);
    record(event);
  };
  const { callMillis = 5_000, followMillis = 20_000, bareCodes } = options;
  const caller = new Caller(session, { store, instances, callMillis, ...(bareCodes && { bareCodes }) }, note);
  const followers = plan.followers.map((planned, index) => new Follower(caller, `follower-${index}`, planned));
  const written = new AbortController();
  let writes = 0;
  const readers = plan.readers.map(async (reads, index) => {
    for (const { space, segment, instance, start } of reads) {
      const from = 1 + Math.floor(caller.positions.last(space, segment) * start);
      await caller.read({ actor: `reader-${index}`, instance, space }, segment, from);
      // Readers run for as long as the writers do.
      await setTimeout(READ_PAUSE_MILLIS);
      if (written.signal.aborted) return;
    }
  });
  const writers = plan.writers.map((planned, index) =>
    new Writer(caller, `writer-${index}`).run(planned, () => nemesis.progress(++writes)),
  );
  await Promise.all(writers);
  written.abort();
  await Promise.all(readers);
  await nemesis.heal();
  caller.callMillis = Math.max(caller.callMillis, CALM_CALL_MILLIS);
  await settle(caller, history);
  // Followers must reach the end by themselves: a call at their instance would make it look for new commits.
  await appendLast(caller, plan);
  const { positions } = caller;
  await Promise.all(
    followers.map((follower) => follower.reached(positions.last(follower.space, follower.segment), followMillis)),
  );
  for (const follower of followers) note(await follower.end());
  await readEverything(caller, plan);
}

/** Repeats every transaction without an answer. After the trouble each must have an outcome. */
async function settle(caller: Caller, history: readonly Event[]): Promise<void> {
  const appends = history.filter((event): event is AppendEvent => event.kind === "append");
  const known = new Set(
    appends.flatMap(({ outcome, transactionId }) => (outcome.is === "unknown" ? [] : [transactionId])),
  );
  const unknown = appends.filter(({ transactionId }) => !known.has(transactionId));
  for (const [index, { space, transactionId, parts }] of unknown.entries()) {
    const instance = index % caller.instances;
    const { outcome } = await caller.append({ actor: "settler", instance, space }, transactionId, parts);
    if (outcome.is === "unknown") throw new Error(`${transactionId} has no outcome, although all trouble is over`);
  }
}

/** Appends once more to every segment of every space, each space at another instance. */
async function appendLast(caller: Caller, { seed, spaces, instances, lastIds }: Plan): Promise<void> {
  for (const [index, space] of spaces.entries()) {
    const parts = SEGMENTS.map((segment) => ({ segment, payloads: [`last.${segment}`] }));
    const instance = (seed + index) % instances;
    const { outcome } = await caller.append({ actor: "last", instance, space }, lastIds[index], parts);
    if (outcome.is !== "acked") throw new Error(`instance ${instance} does not append, although all trouble is over`);
  }
}

/** Reads every space at every instance, and every segment at one instance. */
async function readEverything(caller: Caller, { spaces, instances }: Plan): Promise<void> {
  for (const [index, space] of spaces.entries()) {
    for (const [number, segment] of SEGMENTS.entries()) {
      const instance = (index + number) % instances;
      await caller.readSurely({ actor: "last", instance, space }, segment, 1);
    }
    for (let instance = 0; instance < instances; instance++) {
      await caller.readSurely({ actor: "last", instance, space }, undefined, 1);
    }
  }
}
