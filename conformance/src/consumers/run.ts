import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { createStreamkitClient, json, type StoreHandle } from "@streamkit/client";
import type { Cluster } from "../lab/cluster.ts";
import { Random } from "../lab/random.ts";
import { anyInstance } from "./any-instance.ts";
import { checkSoak, type SoakViolation } from "./check.ts";
import { Crowd } from "./crowd.ts";
import type { SoakEvent, SoakHistory } from "./history.ts";
import { SoakNemesis } from "./nemesis.ts";
import { type ConsumerDeviation, INPUTS, type Input, type InputEntry, OUTPUT, type Output } from "./settings.ts";
import { write } from "./writer.ts";

export interface SoakOptions {
  readonly seed: number;
  /**
   * Duration of the trouble in milliseconds. Afterwards, troubles in progress end and the consumers handle all entries.
   */
  readonly millis: number;
  /** Ttl of the lease in milliseconds. Default: 2,000. */
  readonly ttl?: number;
  /** Time limit of a call in milliseconds, which is "one call" in the bound of a hand-over. Default: 1,000. */
  readonly callMillis?: number;
  readonly deviation?: ConsumerDeviation;
}

export interface SoakResult {
  readonly seed: number;
  readonly history: SoakHistory;
  readonly violations: readonly (SoakViolation | { readonly rule: "instances" | "end"; readonly what: string })[];
}

const CONSUMERS = 5;
const WRITERS = 3;
/** Time limit in milliseconds for all consumers to run, and later for each further progress. */
const SETTLE_MILLIS = 60_000;

/**
 * Lets processes compete for a consumer while a nemesis kills and freezes them and their servers. Checks the result.
 */
export async function runSoak(
  cluster: Cluster,
  { seed, millis, ttl = 2_000, callMillis = 1_000, deviation }: SoakOptions,
): Promise<SoakResult> {
  const urls = cluster.members.map(({ instance }) => instance.url);
  const target = { urls, storeId: randomUUID(), callMillis };
  const events: SoakEvent[] = [];
  const acked: string[] = [];
  const random = new Random(seed);
  const settings = { ...target, ttl, ...(deviation === undefined ? {} : { deviation }) };
  await using crowd = new Crowd(CONSUMERS, settings, (process, at, event) => events.push({ process, at, ...event }));
  const writing = new AbortController();
  const writers = Array.from({ length: WRITERS }, (_, index) =>
    write(`w${index}`, new Random(random.below(2 ** 32)), target, writing.signal, (ids) => acked.push(...ids)),
  );
  const endings: string[] = [];
  try {
    const everybody = (): boolean => crowd.active !== undefined && crowd.waiting.length === CONSUMERS - 1;
    await crowd.until("all consumers run", everybody, SETTLE_MILLIS);
    const nemesis = new SoakNemesis(cluster, crowd, ttl, (event) => events.push(event));
    await nemesis.run(seed, millis);
  } catch (error) {
    endings.push((error as Error).message);
  } finally {
    writing.abort();
    await Promise.all(writers);
    await cluster.heal();
  }
  const store = createStreamkitClient({ transport: anyInstance(urls, 0) }).store(target.storeId);
  endings.push(...(await handleAll(store)));
  endings.push(...(await crowd.stop()).map((name) => `${name} did not stop in time`));
  const inputs = await readInputs(store);
  const outputs: Output[] = [];
  for await (const { value } of store.space(OUTPUT).withCodec(json<Output>()).consume()) outputs.push(value);
  const history = { ttl, callMillis, events, acked, inputs, outputs };
  const violations = [
    ...checkSoak(history),
    ...endings.map((what) => ({ rule: "end" as const, what })),
    ...failuresOf(cluster).map((what) => ({ rule: "instances" as const, what })),
  ];
  return { seed, history, violations };
}

/**
 * Waits until the cursor is at the end of all inputs. Resolves to the remaining entries if there is no progress in
 * time.
 */
async function handleAll(store: StoreHandle): Promise<string[]> {
  let least = Number.POSITIVE_INFINITY;
  let deadline = 0;
  const consumer = store.consumer({ name: "soak", spaces: Object.keys(INPUTS), handler: () => {} });
  for (;;) {
    const lag = [...(await consumer.lag())].filter(([, entries]) => entries > 0);
    const left = lag.reduce((sum, [, entries]) => sum + entries, 0);
    if (left === 0) return [];
    if (left < least) deadline = performance.now() + SETTLE_MILLIS;
    least = Math.min(least, left);
    if (performance.now() > deadline) return lag.map(([space, entries]) => `${entries} entries of ${space} are left`);
    await setTimeout(200);
  }
}

async function readInputs(store: StoreHandle): Promise<InputEntry[]> {
  const inputs: InputEntry[] = [];
  for (const name of Object.keys(INPUTS)) {
    const entries = store.space(name).withCodec(json<Input>()).consume();
    for await (const { space, segment, sequence, value } of entries)
      inputs.push({ space, segment, sequence, ...value });
  }
  return inputs;
}

/** Returns failures inside the instances that the trouble does not explain. */
function failuresOf({ members }: Cluster): string[] {
  return members.flatMap(({ instance }) => {
    const failures = instance.failures.filter(({ reason }) => reason !== "STORAGE_UNAVAILABLE");
    instance.failures = [];
    return failures.map(({ what, reason, message }) => `${instance.name}: ${what}: ${reason}: ${message}`);
  });
}
