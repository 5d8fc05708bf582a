import type { Pace } from "../../../../server/src/engine/commit/contention.ts";

/** The parameters of a simulation. Times are in milliseconds. */
export interface Scenario {
  readonly seed: number;
  readonly instances: number;
  /** "one": all instances write one space. "each": every instance has a space of its own. */
  readonly spaces: "one" | "each";
  /** Client writers of each instance, each with a segment of its own. */
  readonly writers: number;
  readonly arrivals: Arrivals;
  readonly storage: StorageModel;
  /** Work of the machine before a commit is sent. */
  readonly commitMillis: number;
  /** Work of the machine for the same commit outside of its critical path. */
  readonly otherMillis: number;
  /** Processors that all instances share, as in a benchmark on one machine; 0 for no limit. */
  readonly processors: number;
  /** Time from an ack to the next append of the same writer. */
  readonly turnaroundMillis: number;
  /** How instances yield to each other. Default: the engine's pace. */
  readonly pace?: Pace;
  /** Simulated time before the measurement, and measured time. */
  readonly warmUpMillis: number;
  readonly millis: number;
}

/** The times of appends. */
type Arrivals =
  /** Immediately after the ack of the previous append. */
  | { readonly kind: "closed" }
  /** At random, at this rate for each instance, independent of the outcome of earlier appends. */
  | { readonly kind: "poisson"; readonly perSecond: number };

/** Kinds of requests to the storage. */
export type RequestKind = "transaction" | "pointRead" | "query";

/** The behaviour of the storage. */
export interface StorageModel {
  /** Latency without others, as evenly spaced quantiles. */
  readonly latency: Readonly<Record<RequestKind, readonly number[]>>;
  /** Part of the latency in which the storage serves no other request: 0 for a service that grows with its load. */
  readonly serviceMillis: Readonly<Record<RequestKind, number>>;
  /** Entities per second of one partition, and requests per second of the account; `Infinity` for no limit. */
  readonly entitiesPerSecond: number;
  readonly requestsPerSecond: number;
  /** The pause that the storage asks for when it refuses a request. */
  readonly retryAfterMillis: number;
}

/** The outcome of the measured part. */
export interface Outcome {
  readonly commitsPerSecond: number;
  readonly appendsPerSecond: number;
  readonly appendsPerCommit: number;
  readonly conflictsPerCommit: number;
  readonly readsPerCommit: number;
  /** Entities written per second, all partitions together. */
  readonly entitiesPerSecond: number;
  /** Requests per second that were refused as too many. */
  readonly throttledPerSecond: number;
  /** 1 if all instances completed equally many appends, 0 if one completed none. */
  readonly slowestShare: number;
  /** Append latency, including the time until the append is part of a commit. */
  readonly p50: number;
  readonly p99: number;
  /** A number that depends on every event. */
  readonly digest: number;
}
