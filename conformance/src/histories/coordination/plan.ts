import { Random } from "../../lab/random.ts";

/** The plan of a workload on leases and cursors, the same for the same seed. */
export interface CoordinationPlan {
  readonly seed: number;
  readonly store: string;
  readonly instances: number;
  readonly clients: readonly (readonly PlannedStep[])[];
}

export type PlannedStep = PlannedOnLease | PlannedOnCursor | PlannedRest;

interface Planned {
  readonly instance: number;
}

export interface PlannedOnLease extends Planned {
  /** A client without a token acquires the lease before it renews, releases or appends. */
  readonly kind: "acquire" | "renew" | "release" | "look" | "append";
  readonly key: string;
  /** True to continue with a token after the server said that it no longer holds. */
  readonly stubborn: boolean;
}

export interface PlannedOnCursor extends Planned {
  /** A conditional commit expects the version that the client saw last. */
  readonly kind: "commit" | "commit if same" | "read";
  readonly name: string;
  readonly space: string;
}

/** The client rests, sometimes long enough for its lease to expire. */
interface PlannedRest extends Planned {
  readonly kind: "rest";
  readonly millis: number;
}

export interface CoordinationPlanOptions {
  readonly instances: number;
  readonly clients: number;
  /** Steps per client. */
  readonly steps: number;
}

export const KEYS: readonly string[] = ["one", "two", "three"];
export const CURSORS: readonly string[] = ["alpha", "beta"];
export const SPACES: readonly string[] = ["x", "y"];

/** The shortest allowed ttl, so that leases expire often. */
export const TTL_MILLIS = 1_000;
const MAX_REST_MILLIS = 1_300;

/** Frequency of each step, in percent. */
const LEASE_STEPS: Readonly<Record<PlannedOnLease["kind"], number>> = {
  acquire: 18,
  renew: 14,
  release: 7,
  look: 8,
  append: 20,
};
const CURSOR_STEPS: Readonly<Record<PlannedOnCursor["kind"], number>> = { commit: 8, "commit if same": 12, read: 8 };

export function planCoordination(seed: number, options: CoordinationPlanOptions): CoordinationPlan {
  const random = new Random(seed);
  const { instances, clients, steps } = options;
  const store = random.uuid();
  const step = (): PlannedStep => planStep(random, random.below(instances));
  const clientOf = (): PlannedStep[] => Array.from({ length: steps }, step);
  return { seed, store, instances, clients: Array.from({ length: clients }, clientOf) };
}

function planStep(random: Random, instance: number): PlannedStep {
  let left = random.below(100);
  const isNext = (weight: number): boolean => {
    left -= weight;
    return left < 0;
  };
  const pick = (from: readonly string[]): string => from[random.below(from.length)];
  for (const [kind, weight] of Object.entries(LEASE_STEPS)) {
    if (isNext(weight))
      return { kind: kind as PlannedOnLease["kind"], instance, key: pick(KEYS), stubborn: random.chance(0.3) };
  }
  for (const [kind, weight] of Object.entries(CURSOR_STEPS)) {
    if (!isNext(weight)) continue;
    return { kind: kind as PlannedOnCursor["kind"], instance, name: pick(CURSORS), space: pick(SPACES) };
  }
  return { kind: "rest", instance, millis: random.below(MAX_REST_MILLIS) };
}
