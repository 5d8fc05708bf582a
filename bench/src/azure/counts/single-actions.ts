import { setTimeout as delay } from "node:timers/promises";
import type { Lease } from "@streamkit/client";
import { payloads } from "../../tools/payloads.ts";
import type { CountedInstance, Emulator } from "./emulator.ts";
import type { WireCounts } from "./wire-counts.ts";

/** The costs on the wire of one action of an application or the server. */
export interface ActionCost {
  readonly action: string;
  readonly wire: WireCounts;
}

const STORE = "6f9619ff-8b86-4d01-b42d-00000000aaaa";
/** Number of remembered transactions that the purge removes together. */
export const REMEMBERED = 1_000;
const MISSED = 100;

/** Names of actions that other code refers to. */
export const ACTION = {
  append: "append, warm",
  appendExpecting: "append with expectedLastSequence, warm",
  appendToEight: "append to 8 segments, warm",
  lostRace: "append that loses a race, commits missed: 1",
  renewLease: "lease, renewed",
  commitCursor: "cursor of one space, committed again",
  purge: `removal of ${REMEMBERED.toLocaleString("en-US")} remembered transactions`,
} as const;

/**
 * Counts single actions of two instances that share a space. The order matters: each action starts in the state that
 * the previous one left.
 */
export async function measureSingleActions(emulator: Emulator): Promise<ActionCost[]> {
  const [one, other] = [await emulator.open(), await emulator.open()];
  const costs: ActionCost[] = [];
  const cost = async (action: string, instance: CountedInstance, work: () => Promise<unknown>) => {
    costs.push({ action, wire: (await instance.during(work)).wire });
  };
  const spaceAt = (instance: CountedInstance) => instance.client.store(STORE).space("bench");
  const segmentAt = (instance: CountedInstance) => spaceAt(instance).segment("bench");
  const eight = () => Array.from({ length: 8 }, (_, index) => ({ segment: `s${index}`, records: payloads(1) }));
  const appendTo = (instance: CountedInstance) => segmentAt(instance).append(payloads(1));

  /** Lets the other instance commit, so that `one`, which was up to date, misses those commits. */
  const raceAgainst = async (commits: number) => {
    await appendTo(one);
    for (let index = 0; index < commits; index++) await appendTo(other);
  };

  await cost("append, the first to a new store", one, () => appendTo(one));
  await cost(ACTION.append, one, () => appendTo(one));
  await cost(ACTION.appendExpecting, one, () => segmentAt(one).append(payloads(1), { expectedLastSequence: 2 }));
  await cost("append to 8 segments for the first time", one, () => spaceAt(one).append(eight()));
  await cost(ACTION.appendToEight, one, () => spaceAt(one).append(eight()));
  await cost("status of a segment", one, () => segmentAt(one).status());
  await cost("peek", one, () => segmentAt(one).peek());
  await cost("append, the first of another instance", other, () => appendTo(other));
  await cost("append, the next of that instance, its dedupe window still young", other, () => appendTo(other));
  await raceAgainst(1);
  await cost(ACTION.lostRace, one, () => appendTo(one));
  await raceAgainst(MISSED);
  await cost(`append that loses a race, commits missed: ${MISSED}`, one, () => appendTo(one));
  await raceAgainst(1);
  await cost("append to 8 segments that loses a race, commits missed: 1", one, () => spaceAt(one).append(eight()));
  const { lastSequence } = await segmentAt(one).status();
  await appendTo(other);
  await cost("append with expectedLastSequence that another instance just broke: refused", one, () =>
    refused(segmentAt(one).append(payloads(1), { expectedLastSequence: lastSequence })),
  );
  await cost("append with a new fencing token, warm", one, () =>
    segmentAt(one).append(payloads(1), { fencingToken: 7 }),
  );
  await cost("append with the same token, warm", one, () => segmentAt(one).append(payloads(1), { fencingToken: 7 }));
  costs.push(...(await measureCoordination(emulator)), await measurePurge(emulator));
  return costs;
}

async function refused(append: Promise<unknown>): Promise<void> {
  const accepted = await append.then(
    () => true,
    () => false,
  );
  if (accepted) throw new Error("an append with a broken expectation was accepted");
}

/** Leases and cursors have rows of their own. A change reads its row first. */
async function measureCoordination(emulator: Emulator): Promise<ActionCost[]> {
  const instance = await emulator.open();
  const { leases, cursors } = instance.client.store(STORE);
  const cost = async (action: string, work: () => Promise<unknown>) => ({
    action,
    wire: (await instance.during(work)).wire,
  });
  // Opens the store.
  await leases.get("key");
  let lease: Lease | undefined;
  return [
    await cost("lease, acquired for the first time", async () => {
      lease = await leases.acquire("key", "me");
    }),
    await cost(ACTION.renewLease, () => leases.renew(lease!)),
    await cost("lease, released", () => leases.release(lease!)),
    await cost("cursor of one space, committed for the first time", () => cursors.commit("name", { bench: 1 })),
    await cost(ACTION.commitCursor, () => cursors.commit("name", { bench: 2 })),
  ];
}

/** The removal of remembered transactions. Every instance with the space open does it every half dedupe window. */
async function measurePurge(emulator: Emulator): Promise<ActionCost> {
  const writer = await emulator.open();
  const store = STORE.replace("aaaa", "dead");
  const space = writer.client.store(store).space("bench");
  await Promise.all(Array.from({ length: REMEMBERED }, (_, i) => space.segment(`s${i % 10}`).append(payloads(1))));
  // Later commits reveal the age of earlier ones. These have expectations, so nothing remembers them.
  for (const expectedLastSequence of [0, 1, 2])
    await space.segment("late").append(payloads(1), { expectedLastSequence });
  // With this short window, everything else is old. The first purge comes a second after the store was opened.
  const purger = await emulator.open({ dedupeWindowMillis: 1, clock: () => Date.now() * 1_000 });
  await purger.client.store(store).space("bench").status();
  const { wire } = await purger.during(async () => {
    const end = performance.now() + 60_000;
    while (purger.counts.rowsDeleted < REMEMBERED) {
      if (performance.now() > end) throw new Error("remembered transactions are not removed");
      await delay(5);
    }
  });
  return { action: ACTION.purge, wire };
}
