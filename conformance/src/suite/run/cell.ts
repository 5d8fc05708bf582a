import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Case,
  type Cell,
  type Hello,
  type KnownFailure,
  Protocol,
  type Result,
  ResultSchema,
  Verdict,
} from "@streamkit/protocol/conformance";
import type { ClientFactory } from "../client/client-under-test.ts";
import { PAGE_CLIENTS } from "../client/pages.ts";
import type { ServerControl, ServerUnderTest } from "../server/server-under-test.ts";
import { type CaseEnvironment, type CaseOutcome, runCase } from "./case-run.ts";
import { tokenForAll } from "./credentials.ts";
import { findKnownFailure } from "./known-failure.ts";
import { Lockstep } from "./lockstep.ts";
import { optionalServices } from "./optional-services.ts";
import type { Target } from "./session.ts";
import { Slots } from "./slots.ts";

/** Cases that run at the same time, each in its own store. */
const CONCURRENCY = 12;
/** Most cases that share the restarts of a lockstep, and most of them that run a step at the same time. */
const LOCKSTEP_GROUP = 160;
const LOCKSTEP_CONCURRENCY = 32;

/** Time limits of steps, as in CaseEnvironment. They tolerate a machine with ten times its normal load. */
const STEP_MILLIS = 120_000;
const PATIENCE = 4;

/** The wrappers and their actions on the server between steps. */
const WRAPPERS: Readonly<Record<string, ServerControl | undefined>> = {
  plain: undefined,
  restart: "restart",
  kill: "kill",
  "two-instances": undefined,
  auth: undefined,
};

/** The names of protocols in matrix files and reports. */
export const TRANSPORTS: Readonly<Record<string, Protocol>> = {
  "in-process": Protocol.IN_PROCESS,
  "connect-h1": Protocol.CONNECT_H1,
  "connect-h2": Protocol.CONNECT_H2,
  grpc: Protocol.GRPC,
  "grpc-web": Protocol.GRPC_WEB,
  json: Protocol.CONNECT_JSON,
  websocket: Protocol.WEBSOCKET,
};

export interface CellOptions {
  readonly cell: Cell;
  /** The instances of the server: one, or several on the same data. */
  readonly instances: readonly ServerUnderTest[];
  readonly client: ClientFactory;
  readonly hello: Hello;
  /** Bearer token of every call. Default: with `secret`, a token that allows everything; otherwise none. */
  readonly token?: string;
  /** Secret that signs the tokens of cases with credentials; the server knows it too. */
  readonly secret?: string;
  readonly store?: string;
  readonly stepMillis?: number;
  readonly patience?: number;
  readonly knownFailures?: readonly KnownFailure[];
  /** Receives each result as soon as it exists. */
  readonly onResult?: (result: Result) => void;
  /** Ends the cell early. Cases that have not begun then get no result. */
  readonly signal?: AbortSignal;
}

/** Runs cases in one cell. Returns exactly one result per case. */
export async function runCell(cases: readonly Case[], given: CellOptions): Promise<Result[]> {
  const options = { ...given, ...tokenFor(given) };
  const results: Result[] = [];
  const report = (result: Result): void => {
    results.push(result);
    options.onResult?.(result);
  };
  const present = await capabilitiesOf(options);
  const applicable = cases.filter((one) => {
    const missing = one.needs.filter((need) => !present.has(need));
    if (missing.length === 0) return true;
    report(toResult(one, options, Verdict.NOT_APPLICABLE, `needs ${missing.join(", ")}`));
    return false;
  });
  // A case needs the server for itself if it stops the server, or takes most of what the server gives to one address.
  const alone = applicable.filter(
    ({ needs, steps }) =>
      needs.includes("many_streams") ||
      needs.includes("restart") ||
      steps.some(({ action }) => action.case === "server"),
  );
  const together = applicable.filter((one) => !alone.includes(one));
  const slots = new Slots(LOCKSTEP_CONCURRENCY);
  const run = async (one: Case, lockstep?: Lockstep): Promise<void> => {
    if (options.signal?.aborted) return;
    const outcome = await runCase(one, environmentOf(options, slots, lockstep));
    report(judged(one, options, outcome));
  };
  const { wrapper } = options.cell;
  if (!Object.hasOwn(WRAPPERS, wrapper)) throw new Error(`there is no wrapper ${wrapper}`);
  const control = WRAPPERS[wrapper];
  if (control === undefined) {
    await pool(together, CONCURRENCY, (one) => run(one));
  } else {
    for (let first = 0; first < together.length; first += LOCKSTEP_GROUP) {
      const lockstep = new Lockstep(async () => {
        await Promise.all(options.instances.map((instance) => instance.act(control)));
      });
      const group = together.slice(first, first + LOCKSTEP_GROUP);
      for (const _ of group) lockstep.enter();
      await Promise.all(group.map((one) => run(one, lockstep).finally(() => lockstep.leave())));
    }
  }
  for (const one of alone) await run(one);
  return results;
}

function tokenFor({ token, secret }: CellOptions): { token?: string } {
  if (token !== undefined) return { token };
  return secret === undefined ? {} : { token: tokenForAll(secret) };
}

function targetOf({ cell, instances, token = "" }: CellOptions): Target {
  return { instances, token, protocol: TRANSPORTS[cell.transport] ?? Protocol.UNSPECIFIED };
}

function environmentOf(options: CellOptions, slots: Slots, lockstep: Lockstep | undefined): CaseEnvironment {
  return {
    target: targetOf(options),
    client: options.client,
    slots,
    stepMillis: options.stepMillis ?? STEP_MILLIS,
    patience: options.patience ?? PATIENCE,
    ...(options.store === undefined ? {} : { store: options.store }),
    ...(options.secret === undefined ? {} : { secret: options.secret }),
    ...(lockstep === undefined ? {} : { lockstep }),
  };
}

/** Returns the capabilities of a cell: those of the server, its control, the client and the transport. */
async function capabilitiesOf(options: CellOptions): Promise<Set<string>> {
  const { cell, client, instances, hello } = options;
  const optional = await optionalServices(client, targetOf(options));
  // Instances differ only in their clocks.
  const present = new Set([...instances[0].capabilities, ...hello.capabilities, ...optional]);
  if (instances.length === 1) present.add("one_clock");
  const isFetch = cell.client in PAGE_CLIENTS && cell.transport !== "websocket";
  if (cell.transport === "connect-h1" || isFetch) present.delete("full_duplex");
  // A browser opens six connections to a server over HTTP/1.1, and each stream takes one.
  if (!isFetch) present.add("crowds");
  // Over a network, the responses that thousands of streams leave unread are more than a server keeps for one address.
  if (cell.wrapper === "plain" && cell.transport === "in-process") present.add("many_streams");
  if (["plain", "auth"].includes(cell.wrapper) && cell.transport === "websocket") present.add("frames");
  if (options.secret !== undefined) present.add("auth");
  if (cell.backend !== "level") present.delete("damage");
  return present;
}

function judged(one: Case, options: CellOptions, outcome: CaseOutcome): Result {
  const known = findKnownFailure(options.knownFailures ?? [], one.id, options.cell);
  const { failure, trace, millis } = outcome;
  if (failure === undefined) {
    if (known === undefined || known.intermittent) return toResult(one, options, Verdict.PASS, "", millis);
    return toResult(one, options, Verdict.UNEXPECTED_PASS, known.reason, millis);
  }
  const verdict = known === undefined ? Verdict.FAIL : Verdict.KNOWN_FAILURE;
  const reason = known === undefined ? failure : `${known.reason} (${failure})`;
  return create(ResultSchema, { ...toResult(one, options, verdict, reason, millis), trace: trace.lines });
}

function toResult(one: Case, options: CellOptions, verdict: Verdict, reason = "", millis = 0): Result {
  const duration = durationFromMs(Math.round(millis));
  return create(ResultSchema, { cell: options.cell, caseId: one.id, verdict, reason, duration });
}

async function pool<T>(items: readonly T[], size: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: size }, worker));
}
