import { PACE, type Pace } from "../../../../server/src/engine/commit/contention.ts";
import type { Outcome, Scenario } from "./scenario.ts";
import { simulate } from "./simulate.ts";

/** A pace that never yields: the reference for all others. */
export const RUTHLESS: Pace = { ...PACE, burst: Number.POSITIVE_INFINITY, yieldEveryMillis: Number.POSITIVE_INFINITY };

/**
 * Kinds of latency, as quantiles with the mean 1: constant, which is hardest on instances that must read before they
 * write; evenly spread; and with a long tail.
 */
const KINDS = [
  [1, 1],
  [0.5, 1.5],
  [0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1, 1.2, 1.5, 2.5],
];

/** How busy instances share a space: the worst result over all kinds of latency. */
interface Rivalry {
  /** Commits of all instances together, relative to one instance that is alone and never yields. */
  readonly commits: number;
  /** The same for their appends. */
  readonly appends: number;
  readonly slowestShare: number;
  readonly conflictsPerCommit: number;
  /** 99th percentile of the append latency, relative to the median of that single instance. */
  readonly p99: number;
}

/** Lets some instances compete for a space with the given latency. */
export function rivalry(pace: Pace, instances: number, latencyMillis: number): Rivalry {
  const all = KINDS.map((kind) => {
    const scenario = scenarioOf(kind.map((part) => part * latencyMillis));
    const alone = aloneIn(scenario);
    const together = simulate({ ...scenario, instances, pace });
    return {
      ...together,
      commits: together.commitsPerSecond / alone.commitsPerSecond,
      appends: together.appendsPerSecond / alone.appendsPerSecond,
      p99: together.p99 / alone.p50,
    };
  });
  return {
    commits: Math.min(...all.map(({ commits }) => commits)),
    appends: Math.min(...all.map(({ appends }) => appends)),
    slowestShare: Math.min(...all.map(({ slowestShare }) => slowestShare)),
    conflictsPerCommit: Math.max(...all.map(({ conflictsPerCommit }) => conflictsPerCommit)),
    p99: Math.max(...all.map(({ p99 }) => p99)),
  };
}

const known = new Map<string, Outcome>();

/** The outcome of one instance that is alone and never yields. */
function aloneIn(scenario: Scenario): Outcome {
  const key = JSON.stringify(scenario.storage.latency);
  const outcome = known.get(key) ?? simulate({ ...scenario, pace: RUTHLESS });
  known.set(key, outcome);
  return outcome;
}

function scenarioOf(latency: readonly number[]): Scenario {
  return {
    ...{ seed: 1, instances: 1, spaces: "one", writers: 8, arrivals: { kind: "closed" } },
    storage: {
      latency: { transaction: latency, pointRead: latency, query: latency },
      serviceMillis: { transaction: 0, pointRead: 0, query: 0 },
      entitiesPerSecond: Number.POSITIVE_INFINITY,
      requestsPerSecond: Number.POSITIVE_INFINITY,
      retryAfterMillis: 1_000,
    },
    ...{ commitMillis: 1, otherMillis: 0, processors: 0, turnaroundMillis: 1, warmUpMillis: 2_000, millis: 60_000 },
  };
}
