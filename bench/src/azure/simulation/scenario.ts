import type { Pace } from "../../../../server/src/engine/commit/contention.ts";

/** What is simulated. Times are milliseconds. */
export interface Scenario {
  readonly seed: number;
  readonly instances: number;
  /** Whether all instances write one space, or each a space of its own. */
  readonly spaces: "one" | "each";
  /** Client writers of each instance, each with a segment of its own. */
  readonly writers: number;
  readonly arrivals: Arrivals;
  readonly storage: StorageModel;
  /** Work of the machine before a commit is sent. */
  readonly commitMillis: number;
  /** Work of the machine for the same commit that nobody waits for. */
  readonly otherMillis: number;
  /** Processors that all instances share, as they do in a benchmark on one machine; 0: nobody waits for one. */
  readonly processors: number;
  /** From an ack to the next append of the same writer. */
  readonly turnaroundMillis: number;
  /** How instances make way for each other; default: as the engine does. */
  readonly pace?: Pace;
  /** What is simulated before anything counts, and what counts. */
  readonly warmUpMillis: number;
  readonly millis: number;
}

/** When writers append. */
type Arrivals =
  /** As soon as the last append is acked. */
  | { readonly kind: "closed" }
  /** At random, this often for each instance, whatever became of earlier appends. */
  | { readonly kind: "poisson"; readonly perSecond: number };

/** Requests that the storage knows. */
export type RequestKind = "transaction" | "pointRead" | "query";

/** How the storage answers. */
export interface StorageModel {
  /** Latency without others, as evenly spaced quantiles. */
  readonly latency: Readonly<Record<RequestKind, readonly number[]>>;
  /** Part of the latency in which the storage serves nobody else: 0 for a service that grows with its load. */
  readonly serviceMillis: Readonly<Record<RequestKind, number>>;
  /** Entities that one partition takes in a second, and requests that the account takes; `Infinity`: no limit. */
  readonly entitiesPerSecond: number;
  readonly requestsPerSecond: number;
  /** What a refused request is told to wait. */
  readonly retryAfterMillis: number;
}

/** What came of it, in the part that counts. */
export interface Outcome {
  readonly commitsPerSecond: number;
  readonly appendsPerSecond: number;
  readonly appendsPerCommit: number;
  readonly conflictsPerCommit: number;
  readonly readsPerCommit: number;
  /** Entities written per second, all partitions together. */
  readonly entitiesPerSecond: number;
  /** Requests that were refused as too many, per second. */
  readonly throttledPerSecond: number;
  /** 1 when all instances got equally many appends done, 0 when one got none. */
  readonly slowestShare: number;
  /** Append latency, waiting for a place in a commit included. */
  readonly p50: number;
  readonly p99: number;
  /** A number that differs when anything happened differently. */
  readonly digest: number;
}
