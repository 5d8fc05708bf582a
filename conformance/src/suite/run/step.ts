import { setTimeout } from "node:timers/promises";
import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type ProduceRequest, ProduceRequestSchema } from "@streamkit/protocol";
import type { Step } from "@streamkit/protocol/conformance";
import { MAIN } from "../corpus/actors.ts";
import { at } from "../corpus/json.ts";
import { completeRequest, expandRepeats } from "../corpus/request.ts";
import { findRpc, startRequest } from "../corpus/rpc.ts";
import type { Scope } from "../corpus/scope.ts";
import { matchExpectation, matchRepeated, resolveExpectation } from "../expect/expectation.ts";
import type { Difference } from "../expect/match.ts";
import { type Observed, observe } from "../expect/observed.ts";
import { exchangeFrames } from "../frames/exchanges.ts";
import type { ServerControl } from "../server/server-under-test.ts";
import { matchAnswer, performRaw } from "../wire/raw-exchange.ts";
import { bodyJson } from "../wire/raw-http.ts";
import type { CaseState } from "./case-run.ts";
import type { LiveCall } from "./live-call.ts";
import { entryCount, isReached } from "./reached.ts";

/** Pause between calls that are repeated until they fit, in milliseconds. */
const REPEAT_MILLIS = 50;

/** A timer of whole milliseconds may end this much earlier by the suite's finer clock. */
const TIMER_MILLIS = 2;

/** The outcome of a step. */
export interface StepOutcome {
  /** The first difference. Absent if the step observed everything it expects. */
  readonly difference?: string;
  /** True if the step ended too late for a difference to prove anything. */
  readonly late: boolean;
}

/**
 * Performs one step and compares its observation.
 *
 * @throws Error if the case itself has a defect
 */
export async function runStep(step: Step, state: CaseState): Promise<StepOutcome> {
  state.begun.push(performance.now());
  const difference = (await perform(step, state)) ?? tooSoon(step, state);
  const late = isLate(step, state);
  if (step.action.case !== "pause") state.acted = state.begun.at(-1)!;
  return { ...(difference === undefined ? {} : { difference }), late };
}

/**
 * True if the step ended too late to prove anything, measured from the start of the latest step that was not a pause.
 */
function isLate({ inTime }: Step, { acted }: CaseState): boolean {
  return inTime !== undefined && performance.now() - acted > toMillis(inTime);
}

/** Returns a difference if the step ended before `notBefore`, measured from the start of the previous step. */
export function tooSoon({ notBefore }: Pick<Step, "notBefore">, { begun }: Pick<CaseState, "begun">): Difference {
  if (notBefore === undefined) return undefined;
  const millis = performance.now() - (begun.at(-2) ?? Number.POSITIVE_INFINITY);
  const least = toMillis(notBefore);
  if (millis >= least - TIMER_MILLIS) return undefined;
  return `the expectation held after ${millis.toFixed(1)} ms, expected not before ${least} ms`;
}

async function perform(step: Step, state: CaseState): Promise<Difference> {
  const { action } = step;
  switch (action.case) {
    case "call":
      return step.as === "" ? callUntilExpected(step, state) : startNamed(step, state);
    case "await":
      return awaitNamed(step, state);
    case "send":
      state.session.send(named(state, action.value), produceRequest(step, state));
      return undefined;
    case "closeSend":
      state.session.closeSend(named(state, action.value));
      return undefined;
    case "cancel":
      state.session.cancel(named(state, action.value));
      return undefined;
    case "resume":
      state.session.resume(named(state, action.value));
      return undefined;
    case "raw": {
      const { url } = state.session.takeTurn();
      const token = state.session.tokenOf(step.actor || MAIN);
      const answer = await performRaw(action.value, state.scope, { url, token }, allowed(step, state));
      state.session.trace.note(
        `raw answer of ${url}: ${answer.status} ${answer.body.toString("latin1").slice(0, 500)}`,
      );
      capture(step, { status: answer.status, body: bodyJson(answer) }, state);
      const expected = resolveExpectation(step.expect, state.scope).http;
      return expected === undefined ? undefined : matchAnswer(expected, answer);
    }
    case "frames":
      return runExchange(action.value, step, state);
    case "server":
      await state.session.act(action.value as ServerControl);
      return undefined;
    case "pause":
      await setTimeout(toMillis(action.value));
      return undefined;
    default:
      throw new Error("the step has no action");
  }
}

async function runExchange(name: string, step: Step, state: CaseState): Promise<Difference> {
  const { url } = state.session.takeTurn();
  return await exchangeFrames(name, {
    url,
    token: state.session.tokenOf(step.actor || MAIN),
    millis: allowed(step, state),
    parameters: expandRepeats(state.scope.resolve(step.request ?? {})) as JsonObject,
    ...defaults(state),
    act: (control) => state.session.act(control),
    note: (text) => state.session.trace.note(text),
  });
}

async function startNamed(step: Step, state: CaseState): Promise<Difference> {
  if (step.times === 0) state.named.set(step.as, await start(step, state, state.scope));
  for (let index = 1; index <= step.times; index++) {
    state.named.set(`${step.as}-${index}`, await start(step, state, state.scope.with({ i: String(index) }), {}, 1));
  }
  return undefined;
}

async function callUntilExpected(step: Step, state: CaseState): Promise<Difference> {
  const end = performance.now() + allowed(step, state);
  for (;;) {
    const difference = await callAndWait(step, state);
    if (difference === undefined || !step.eventually || performance.now() > end) return difference;
    await setTimeout(REPEAT_MILLIS);
  }
}

async function callAndWait(step: Step, state: CaseState): Promise<Difference> {
  const times = Math.max(1, step.times);
  const one = async (index: number): Promise<Observed | string> => {
    const scope = step.times === 0 ? state.scope : state.scope.with({ i: String(index + 1) });
    const call = await start(step, state, scope);
    const ended = await call.until(() => call.ended, allowed(step, state));
    return ended ? observe(call.responses, call.failure, true) : `the call did not end in ${allowed(step, state)} ms`;
  };
  const perform = step.allPages ? () => callForPages(step, state) : one;
  const results: (Observed | string)[] = [];
  if (step.concurrent)
    results.push(...(await Promise.all(Array.from({ length: times }, (_, index) => perform(index)))));
  else {
    // The rest would each take as long as the step may take, and cannot change the verdict.
    const isBroken = () => typeof results.at(-1) === "string";
    for (let index = 0; index < times && !isBroken(); index++) results.push(await perform(index));
  }

  const observed: Observed[] = [];
  for (const result of results) {
    if (typeof result === "string") return result;
    observed.push(result);
  }
  const expected = resolveExpectation(step.expect, state.scope);
  const difference = step.times === 0 ? matchExpectation(expected, observed[0]) : matchRepeated(expected, observed);
  if (difference === undefined) capture(step, observed.at(-1)!, state);
  return difference;
}

/** Lists page by page. The response is the last page with the items of all pages. */
async function callForPages(step: Step, state: CaseState): Promise<Observed | string> {
  const responses: LiveCall["responses"] = [];
  for (let token: unknown = ""; ; ) {
    const call = await start(step, state, state.scope, token === "" ? {} : { page_token: String(token) });
    const ended = await call.until(() => call.ended, allowed(step, state));
    if (!ended) return `page ${responses.length + 1} did not come in ${allowed(step, state)} ms`;
    responses.push(...call.responses);
    const observed = observe(responses, call.failure, true);
    const before = token;
    token = observed.response?.next_page_token ?? "";
    if (call.failure !== undefined || token === "") return { ...observed, response: joinPages(observed.responses) };
    if (token === before) return `page ${responses.length} has the token that it was asked with`;
  }
}

function joinPages(pages: readonly JsonObject[]): JsonObject | undefined {
  const last = pages.at(-1);
  if (last === undefined) return undefined;
  const lists = Object.keys(last).filter((name) => Array.isArray(last[name]));
  return { ...last, ...Object.fromEntries(lists.map((name) => [name, pages.flatMap((page) => page[name] ?? [])])) };
}

async function awaitNamed(step: Step, state: CaseState): Promise<Difference> {
  const call = named(state, String(step.action.value));
  const millis = allowed(step, state);
  if (step.until?.time === undefined) {
    const reached = await call.until(() => isReached(step.until, call, state.scope), millis);
    if (!reached) return `not reached in ${millis} ms; ${describe(call)}`;
  } else {
    await call.until(() => call.ended, toMillis(step.until.time));
  }
  const fresh = call.responses.slice(call.seen);
  call.seen = call.responses.length;
  const observed = observe(fresh, call.failure, call.ended, call);
  const difference = matchExpectation(resolveExpectation(step.expect, state.scope), observed);
  if (difference === undefined) capture(step, observed, state);
  return difference;
}

function describe(call: LiveCall): string {
  const state = call.ended ? `ended with ${call.failure?.code ?? "OK"}` : "still open";
  return `${call.responses.length} responses with ${entryCount(call)} entries, ${state}`;
}

async function start(
  step: Step,
  state: CaseState,
  scope: Scope,
  more: JsonObject = {},
  keep?: number,
): Promise<LiveCall> {
  const rpc = findRpc(String(step.action.value));
  const json = completeRequest(rpc.input, { ...scope.resolve(step.request ?? {}), ...more }, defaults(state));
  const request = startRequest(rpc, json);
  const deadlineMillis = step.deadline && toMillis(step.deadline);
  return state.session.call(step.actor || MAIN, request, {
    hold: step.hold,
    ...(deadlineMillis === undefined ? {} : { deadlineMillis }),
    ...(keep === undefined ? {} : { keep }),
  });
}

function produceRequest(step: Step, state: CaseState): ProduceRequest {
  const json = completeRequest(ProduceRequestSchema, state.scope.resolve(step.request ?? {}), defaults(state));
  return fromJson(ProduceRequestSchema, json);
}

function defaults(state: CaseState): { store: string; space: string } {
  return { store: String(state.scope.get("store")), space: String(state.scope.get("space")) };
}

function named(state: CaseState, name: string): LiveCall {
  const call = state.named.get(name);
  if (call === undefined) throw new Error(`no call is named ${name}`);
  return call;
}

function capture(step: Step, found: unknown, state: CaseState): void {
  for (const [name, path] of Object.entries(step.capture)) {
    const value = at(found, path);
    if (value === undefined) throw new Error(`the response has no value to capture at ${path}`);
    state.scope.set(name, value as string);
  }
}

function allowed(step: Step, state: CaseState): number {
  const { stepMillis, patience } = state.environment;
  return step.within === undefined ? stepMillis : toMillis(step.within) * patience;
}

function toMillis(duration: Duration): number {
  return Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
}
