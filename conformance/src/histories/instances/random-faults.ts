import { setTimeout } from "node:timers/promises";
import type { Fault, ProxiedRequest } from "../../../../server/src/storage/azure/test/fault-proxy.ts";
import type { Random } from "../../lab/random.ts";

type MakeFault = (random: Random) => Fault;

const soon: (random: Random, most: number) => Promise<unknown> = (random, most) => setTimeout(random.below(most));

const refuse: MakeFault = (random) => {
  const [status, code] = REFUSALS[random.below(REFUSALS.length)];
  return { kind: "refuse", status, code, ...(random.chance(0.1) ? { retryAfter: "1" } : {}) };
};

const REFUSALS = [
  [503, "ServerBusy"],
  [429, "TooManyRequests"],
  [500, "InternalError"],
] as const;

/** Faults of any request (faults 11 to 13). */
const FAULTS: readonly MakeFault[] = [
  refuse,
  () => ({ kind: "reset-before" }),
  () => ({ kind: "reset-after" }),
  (random) => ({ kind: "after", until: soon(random, 300) }),
  (random) => ({ kind: "answer-after", until: soon(random, 300) }),
];

/** Faults of commits (faults 10 and 13). After them it is unknown whether the commit has happened or will happen. */
const COMMIT_FAULTS: readonly MakeFault[] = [
  ...FAULTS,
  () => ({ kind: "reset-after" }),
  (random) => ({ kind: "land-late", until: soon(random, 100) }),
  (random) => ({ kind: "land-late", until: soon(random, 1_500) }),
  // Longer than the timeout of a request.
  (random) => ({ kind: "after", until: soon(random, 2_000) }),
  () => ({ kind: "hang" }),
];

/** Returns a script for a fault proxy that hits a fraction of the requests. Timing also decides which ones. */
export function randomFaults(random: Random, part: number): (request: ProxiedRequest) => Fault | undefined {
  return ({ isTransaction }) => {
    if (!random.chance(part)) return undefined;
    const faults = isTransaction ? COMMIT_FAULTS : FAULTS;
    return faults[random.below(faults.length)](random);
  };
}
