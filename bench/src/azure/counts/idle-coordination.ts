import { setTimeout as delay } from "node:timers/promises";
import { payloads } from "../../tools/payloads.ts";
import type { CountedInstance, Emulator } from "./emulator.ts";
import { requestsOf } from "./wire-counts.ts";

/** The costs of one feature of an idle instance. */
export interface IdleCost {
  readonly what: string;
  readonly requestsPerMinute: number;
}

const STORE = "6f9619ff-8b86-4d01-b42d-e00000000000";
/** The lease of an exclusive consumer, which renews it after every third of this time. */
const TTL_MILLIS = 30_000;

/** Counts the requests of coordination at its default intervals. The longest of them is 15 seconds. */
export function measureIdleCoordination(emulator: Emulator, millis: number): Promise<IdleCost[]> {
  return Promise.all([measureGroup(emulator, millis), measureConsumer(emulator, millis)]);
}

/** A worker on each of two instances. */
async function measureGroup(emulator: Emulator, millis: number): Promise<IdleCost> {
  const instances = [await emulator.open(), await emulator.open()] as const;
  const groups = instances.map(({ client }) => client.store(STORE).presence("group"));
  const members = groups.map((group, index) => group.join({ id: `worker-${index}` }));
  for (const member of members) await member.joined;
  const cost = await idle("a group of workers, with one here and one elsewhere", instances[0], millis);
  for (const member of members) await member.close();
  return cost;
}

async function measureConsumer(emulator: Emulator, millis: number): Promise<IdleCost> {
  const instance = await emulator.open();
  const store = instance.client.store(STORE);
  await store.space("bench").segment("s").append(payloads(1));
  const { promise: caughtUp, resolve } = Promise.withResolvers<unknown>();
  const consumer = store.consumer({
    ...{ name: "bench", spaces: ["bench"], exclusive: { ttl: TTL_MILLIS } },
    handler: () => {},
    onCommit: resolve,
  });
  const running = consumer.run();
  await Promise.race([caughtUp, running]);
  const cost = await idle("an exclusive consumer of one space, lease of 30 s", instance, millis);
  await consumer.stop();
  await running;
  return cost;
}

async function idle(what: string, instance: CountedInstance, millis: number): Promise<IdleCost> {
  // Traffic caused by the start has ended.
  await delay(Math.min(2_000, millis));
  const { wire } = await instance.during(() => delay(millis));
  return { what, requestsPerMinute: (requestsOf(wire) * 60_000) / millis };
}
