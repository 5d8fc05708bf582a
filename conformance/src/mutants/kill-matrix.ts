import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { type Case, CellSchema, type Result, Verdict } from "@streamkit/protocol/conformance";
import { type Authenticate, memoryStorage, tokenAuthentication } from "@streamkit/server";
import type { ClientFactory } from "../suite/client/client-under-test.ts";
import { ConnectClient } from "../suite/client/connect-client.ts";
import { nodeTransports } from "../suite/client/transports.ts";
import { runCell } from "../suite/run/cell.ts";
import { EmbeddedServer } from "../suite/server/embedded-server.ts";
import { ACCESS_DEVIATIONS } from "./access-deviations.ts";
import { ADMIN_DEVIATIONS } from "./admin-deviations.ts";
import { APPEND_DEVIATIONS } from "./append-deviations.ts";
import { CURSOR_DEVIATIONS } from "./cursor-deviations.ts";
import type { Deviation } from "./deviation.ts";
import { FOLLOW_DEVIATIONS } from "./follow-deviations.ts";
import { INSTANCE_DEVIATIONS } from "./instance-deviations.ts";
import { LEASE_DEVIATIONS } from "./lease-deviations.ts";
import { PAGE_DEVIATIONS } from "./page-deviations.ts";
import { PRESENCE_DEVIATIONS } from "./presence-deviations.ts";
import { READ_DEVIATIONS } from "./read-deviations.ts";
import { SINGLE_READ_DEVIATIONS } from "./single-read-deviations.ts";
import { STORAGE_DEVIATIONS } from "./storage-deviations.ts";
import { WATCH_DEVIATIONS } from "./watch-deviations.ts";

/** Every broken server. Each has one fault. */
export const DEVIATIONS: readonly Deviation[] = [
  ...APPEND_DEVIATIONS,
  ...READ_DEVIATIONS,
  ...PAGE_DEVIATIONS,
  ...SINGLE_READ_DEVIATIONS,
  ...FOLLOW_DEVIATIONS,
  ...ADMIN_DEVIATIONS,
  ...STORAGE_DEVIATIONS,
  ...WATCH_DEVIATIONS,
  ...LEASE_DEVIATIONS,
  ...CURSOR_DEVIATIONS,
  ...PRESENCE_DEVIATIONS,
  ...ACCESS_DEVIATIONS,
  ...INSTANCE_DEVIATIONS,
];

/** Time limit of a step on a broken server, in milliseconds. */
const STEP_MILLIS = 1_500;
/** Interval at which instances poll for commits of others, in milliseconds: well within a step. */
const POLL_MILLIS = 20;

/** Signs the tokens of servers with authentication. */
const SECRET = "the secret of a broken server is in its source";

/** Difference between the clocks of the two instances. */
const CLOCK_OFFSET_MILLIS = -300_000;

/** The findings of the corpus about one broken server or client. */
export interface Kill {
  readonly name: string;
  /** Failed cases among those that were run. */
  readonly failed: readonly string[];
  readonly passed: readonly string[];
}

/**
 * Runs cases against a broken server in this process.
 *
 * @param enough number of failures after which the run stops. Default: runs every case.
 * @param stepMillis time limit of a step in milliseconds
 */
export async function runDeviation(
  deviation: Deviation,
  cases: readonly Case[],
  enough?: number,
  stepMillis = STEP_MILLIS,
): Promise<Kill> {
  const instances = openInstances(deviation);
  try {
    const find = (url: string): Transport => instances.find((each) => each.url === url)!.transport();
    const client: ClientFactory = async (observe) => new ConnectClient(observe, nodeTransports(find));
    const secret = deviation.where === "access" ? SECRET : undefined;
    const sorted = ordered(cases, deviation.where);
    return await runBroken(deviation.name, instances, client, sorted, enough, stepMillis, secret);
  } finally {
    for (const instance of instances) await instance.close();
  }
}

/** Opens one server with its own memory; two on one memory if the fault lies between instances. */
function openInstances(deviation: Deviation): EmbeddedServer[] {
  const { transport, pollMillis = POLL_MILLIS, authenticate = (real: Authenticate) => real } = deviation;
  const memory = memoryStorage({ shared: true });
  const shared = deviation.where === "instances";
  return (shared ? ["instance-1", "instance-2"] : [""]).map((url) => {
    const wrapStorage = deviation.storage?.();
    return new EmbeddedServer({
      backend: "memory",
      url,
      pollMillis,
      ...(shared ? { storage: () => memory } : {}),
      ...(url === "instance-2" ? { clockOffsetMillis: CLOCK_OFFSET_MILLIS } : {}),
      ...(deviation.where === "access"
        ? { authenticate: authenticate(tokenAuthentication({ secret: SECRET, onEvent: () => {} })) }
        : {}),
      ...(wrapStorage === undefined ? {} : { wrapStorage }),
      ...(transport === undefined ? {} : { wrapTransport: transport }),
    });
  });
}

/** Cases that are likely to find a deviation run first. The order affects only the duration. */
const FIRST: Readonly<Record<Deviation["where"], RegExp>> = {
  append: /^(APPEND|EXPECT|FENCE|DEDUPE|LIMIT)/,
  read: /^(SEGMENT|SPACE|MERGE|PEEK|SIZE|PAGE)/,
  follow: /^(FOLLOW|CANCEL)/,
  admin: /^(ISOLATION|TRIM|DELETE|LIST|NAME|STATUS|ISOLATION|SERVER)/,
  error: /^(APPEND-REFUSED|EXPECT|ERROR)/,
  storage: /^(SURVIVES|DEDUPE-SURVIVES|LIST|APPEND)/,
  watch: /^WATCH/,
  lease: /^LEASE/,
  cursor: /^(CURSOR|SIZE)/,
  presence: /^PRESENCE/,
  access: /^ACCESS/,
  instances: /^(EVERYWHERE|DEDUPE)/,
};

function ordered(cases: readonly Case[], where: Deviation["where"]): Case[] {
  const first = FIRST[where];
  return [...cases.filter((one) => first.test(one.id)), ...cases.filter((one) => !first.test(one.id))];
}

/**
 * Runs cases with a client against a server; either may be broken. With `enough`, failed cases run once more alone, so
 * that a slow machine does not look like a broken server.
 *
 * @param secret signs tokens; the server knows it too
 */
export async function runBroken(
  name: string,
  instances: readonly EmbeddedServer[],
  client: ClientFactory,
  cases: readonly Case[],
  enough?: number,
  stepMillis = STEP_MILLIS,
  secret?: string,
): Promise<Kill> {
  const probe = await client(() => {});
  const { hello } = probe;
  await probe.close();
  const single = secret === undefined ? "plain" : "auth";
  const wrapper = instances.length === 1 ? single : "two-instances";
  const cell = create(CellSchema, { backend: "memory", transport: "in-process", wrapper, client: name });
  const run = async (selected: readonly Case[], most: number): Promise<Kill> => {
    const stop = new AbortController();
    const failed: string[] = [];
    const passed: string[] = [];
    const onResult = ({ verdict, caseId }: Result): void => {
      if (verdict === Verdict.FAIL) failed.push(caseId);
      if (verdict === Verdict.PASS) passed.push(caseId);
      if (failed.length >= most) stop.abort();
    };
    await runCell(selected, {
      cell,
      instances,
      client,
      hello,
      ...(secret === undefined ? {} : { secret }),
      stepMillis,
      patience: 1,
      onResult,
      signal: stop.signal,
    });
    return { name, failed, passed };
  };
  if (enough === undefined) return run(cases, Number.POSITIVE_INFINITY);
  // A case may fail among others for lack of time. Only a case that also fails alone counts.
  let rest = [...cases];
  let passed: readonly string[] = [];
  while (rest.length > 0) {
    const found = await run(rest, enough);
    passed = [...passed, ...found.passed];
    const confirmed: string[] = [];
    for (const one of rest.filter(({ id }) => found.failed.includes(id)).slice(0, enough)) {
      confirmed.push(...(await run([one], 1)).failed);
    }
    if (confirmed.length > 0 || found.failed.length === 0) return { name, failed: confirmed, passed };
    rest = rest.filter(({ id }) => !found.failed.includes(id) && !found.passed.includes(id));
  }
  return { name, failed: [], passed };
}
