import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type Case, RequestSchema, type Step } from "@streamkit/protocol/conformance";
import type { ClientFactory } from "../client/client-under-test.ts";
import { MAIN } from "../corpus/actors.ts";
import { Scope } from "../corpus/scope.ts";
import { makeToken } from "./credentials.ts";
import type { LiveCall } from "./live-call.ts";
import type { Lockstep } from "./lockstep.ts";
import { Session, type Target } from "./session.ts";
import type { Slots } from "./slots.ts";
import { runStep } from "./step.ts";
import { Trace } from "./trace.ts";

/** Most attempts at a case on a machine that is too slow for it. */
const ATTEMPTS = 5;

/** The surroundings of a case. */
export interface CaseEnvironment {
  readonly target: Target;
  /** Secret that signs tokens; the server knows it too. Absent if the server checks no tokens of the suite. */
  readonly secret?: string;
  readonly client: ClientFactory;
  /** Present if the server is restarted between steps. */
  readonly lockstep?: Lockstep;
  /**
   * Bounds the number of steps that run at the same time. A step that waits for the machine cannot measure the time of
   * the server.
   */
  readonly slots: Slots;
  /** The store that all cases share. Absent if each case has its own. */
  readonly store?: string;
  /** Time limit in milliseconds of a step that names none. */
  readonly stepMillis: number;
  /** Factor for the time limits of all other steps, because the machine may be slow. */
  readonly patience: number;
}

/** The outcome of one run of a case. */
export interface CaseOutcome {
  /** The first difference. Absent if the run observed everything that the case expects. */
  readonly failure?: string;
  readonly trace: Trace;
  readonly millis: number;
}

/** State of one run of a case, which its steps share. */
export interface CaseState {
  readonly environment: CaseEnvironment;
  readonly session: Session;
  readonly scope: Scope;
  /** Calls that a step started with `as`. */
  readonly named: Map<string, LiveCall>;
  /** Start of each step, in milliseconds of `performance.now()`, in the order of the steps. */
  readonly begun: number[];
  /** Start of the latest step that was not a pause. */
  acted: number;
}

/** Runs one case, and repeats it if the machine was too slow for it. Never throws. */
export async function runCase(one: Case, environment: CaseEnvironment): Promise<CaseOutcome> {
  for (let attempts = 1; ; attempts++) {
    const { late, ...outcome } = await runOnce(one, environment);
    if (!late) return outcome;
    if (attempts === ATTEMPTS) {
      return { ...outcome, failure: `too slow to prove anything in ${attempts} attempts: ${outcome.failure}` };
    }
  }
}

/** Runs step after step, up to the first difference. */
async function runOnce(one: Case, environment: CaseEnvironment): Promise<CaseOutcome & { readonly late: boolean }> {
  const trace = new Trace();
  const start = performance.now();
  let session: Session | undefined;
  let failure: string | undefined;
  let late = false;
  try {
    const scope = newScope(environment);
    session = await Session.open(environment.client, targetOf(one, environment, scope), trace);
    const state: CaseState = {
      environment,
      session,
      scope,
      named: new Map(),
      begun: [],
      acted: 0,
    };
    for (const [index, step] of one.steps.entries()) {
      // A server in this process may answer without any input or output. The event loop would then not run timers
      // between steps.
      await setImmediate();
      if (index > 0) await passGap(state);
      const outcome = await environment.slots.run(() => runStep(step, state));
      failure = prefixed(outcome.difference, index, step);
      late = failure !== undefined && outcome.late;
      if (failure !== undefined) break;
    }
    await cleanUp(state);
  } catch (error) {
    failure ??= `the runner failed: ${(error as Error).stack ?? String(error)}`;
  } finally {
    await session?.close();
  }
  return { ...(failure === undefined ? {} : { failure }), late, trace, millis: performance.now() - start };
}

/** Returns the target of a case, whose actors may have credentials of their own. */
function targetOf({ credentials }: Case, { target, secret }: CaseEnvironment, scope: Scope): Target {
  if (secret === undefined || Object.keys(credentials).length === 0) return target;
  const tokens = new Map<string, string>();
  const tokenOf = (actor: string): string => {
    const own = credentials[actor];
    if (own === undefined) return target.token;
    const token = tokens.get(actor) ?? makeToken(secret, actor, { ...own, grants: scope.resolve(own.grants) });
    tokens.set(actor, token);
    return token;
  };
  return { ...target, tokenOf };
}

function newScope(environment: CaseEnvironment): Scope {
  const random = randomUUID().slice(0, 8);
  return new Scope({
    store: environment.store ?? randomUUID(),
    space: `space-${random}`,
    random,
    hex12: `0000${random}`,
  });
}

/** Restarts the server between two steps, unless a call is open: the restart would end the call. */
async function passGap(state: CaseState): Promise<void> {
  const { lockstep } = state.environment;
  if (lockstep === undefined || [...state.named.values()].some((call) => !call.ended)) return;
  state.session.trace.note("the server is restarted");
  await lockstep.gap();
}

function prefixed(difference: string | undefined, index: number, step: Step): string | undefined {
  if (difference === undefined) return undefined;
  const what = typeof step.action.value === "string" ? step.action.value : "";
  return `step ${index + 1} (${step.action.case} ${what}): ${difference}`;
}

/**
 * Deletes the store of a case, so that a long run does not fill the disk. A failure to delete it does not fail the
 * case.
 */
async function cleanUp(state: CaseState): Promise<void> {
  for (const call of state.named.values()) if (!call.ended) state.session.cancel(call);
  if (state.environment.store !== undefined) return;
  const storeId = String(state.scope.get("store"));
  const request = create(RequestSchema, { message: { case: "deleteStore", value: { storeId } } });
  const call = await state.session.call(MAIN, request);
  await call.until(() => call.ended, 1_000);
}
