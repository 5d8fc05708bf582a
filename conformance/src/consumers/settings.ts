/** Settings of a process that runs the consumer. */
export interface ConsumerSettings {
  /** Name of the process. A restarted process gets a new name. */
  readonly process: string;
  /** URLs of the instances, and the index of the instance to call first. */
  readonly urls: readonly string[];
  readonly first: number;
  readonly storeId: string;
  readonly ttl: number;
  /** Time limit of a call in milliseconds. After it, the client repeats the call at another instance. */
  readonly callMillis: number;
  readonly deviation?: ConsumerDeviation;
}

/** Deliberate faults of consumers. The checker must find each of them. */
export type ConsumerDeviation =
  /** Appends without the token and without checking that the lease is still held. */
  | "unfenced"
  /** Commits the cursor before it has handled the entries. */
  | "commits-first"
  /** Acquires the lease for three times the configured ttl. */
  | "long-ttl";

/** Returns milliseconds on the monotonic clock, which all processes of a machine share. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** News of a consumer process about itself, for its parent. */
export type ConsumerNews =
  | { readonly kind: "state"; readonly state: string; readonly reason?: string }
  /** The consumer committed the cursor, so it is the active one. */
  | { readonly kind: "committed" }
  /** An output under this token was acknowledged for the first time. */
  | { readonly kind: "output"; readonly token: number };

/** News with the time at which the process sent it, as `now()`. */
export interface ConsumerReport {
  readonly at: number;
  readonly news: ConsumerNews;
}

/** The input spaces and their segments. */
export const INPUTS: Readonly<Record<string, readonly string[]>> = {
  orders: ["o-1", "o-2", "o-3", "o-4"],
  payments: ["p-1", "p-2", "p-3"],
  parcels: ["q-1", "q-2", "q-3"],
};

/**
 * The output space has one segment per input segment, with the same name, and the segment TAKEOVERS, which records each
 * takeover.
 */
export const OUTPUT = "handled";
export const TAKEOVERS = "takeovers";

/** One entry of an input. Its id is unique. */
export interface Input {
  readonly id: string;
}

/** One entry of the output: a handled input, or a takeover if it has no input. */
export interface Output {
  readonly process: string;
  readonly token: number;
  readonly input?: InputEntry;
}

/** An input with its position. */
export interface InputEntry extends Input {
  readonly space: string;
  readonly segment: string;
  readonly sequence: number;
}
