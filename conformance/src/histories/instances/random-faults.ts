import { setTimeout } from "node:timers/promises";
import type { Fault, ProxiedRequest } from "../../../../server/src/storage/azure/test/fault-proxy.ts";
import type { Random } from "../../lab/random.ts";

type MakeFault = (random: Random) => Fault;

const soon: (random: Random, most: number) => Promise<unknown> = (random, most) => setTimeout(random.below(most));

const refuse: MakeFault = (random) => {
  const [status, code] = REFUSALS[random.below(REFUSALS.length)]!;
  return { kind: "refuse", status, code, ...(random.chance(0.1) ? { retryAfter: "1" } : {}) };
};

const REFUSALS = [
  [503, "ServerBusy"],
  [429, "TooManyRequests"],
  [500, "InternalError"],
] as const;

/** What may happen to any request (faults 11 to 13). */
const FAULTS: readonly MakeFault[] = [
  refuse,
  () => ({ kind: "reset-before" }),
  () => ({ kind: "reset-after" }),
  (random) => ({ kind: "after", until: soon(random, 300) }),
  (random) => ({ kind: "answer-after", until: soon(random, 300) }),
];

/** What matters for commits most (faults 10, 13): nobody knows whether it happened, or whether it will. */
const COMMIT_FAULTS: readonly MakeFault[] = [
  ...FAULTS,
  () => ({ kind: "reset-after" }),
  (random) => ({ kind: "land-late", until: soon(random, 100) }),
  (random) => ({ kind: "land-late", until: soon(random, 1_500) }),
  // Longer than a request may take.
  (random) => ({ kind: "after", until: soon(random, 2_000) }),
  () => ({ kind: "hang" }),
];

/** A script for a fault proxy: something happens to a part of the requests. Which ones depends on timing as well. */
export function randomFaults(random: Random, part: number): (request: ProxiedRequest) => Fault | undefined {
  return ({ isTransaction }) => {
    if (!random.chance(part)) return undefined;
    const faults = isTransaction ? COMMIT_FAULTS : FAULTS;
    return faults[random.below(faults.length)]!(random);
  };
}
