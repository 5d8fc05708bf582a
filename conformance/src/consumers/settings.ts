/** What one of several processes that run the same consumer is told, and tells. */
export interface ConsumerSettings {
  /** This process; one that is started again has another name. */
  readonly process: string;
  /** The instances, and the index of the one that it calls first. */
  readonly urls: readonly string[];
  readonly first: number;
  readonly storeId: string;
  readonly ttl: number;
  /** How long a call may take before it is made again, elsewhere. */
  readonly callMillis: number;
  readonly deviation?: ConsumerDeviation;
}

/** What is broken about consumers, on purpose: the checker must find each. */
export type ConsumerDeviation =
  /** Appends without the token, and without looking whether the lease is still held. */
  | "unfenced"
  /** Counts entries as handled before they are. */
  | "commits-first"
  /** Takes the lease for three times as long as it says. */
  | "long-ttl";

/** Milliseconds on the monotonic clock, which all processes of a machine share. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** What a consumer process tells its parent of itself. */
export type ConsumerNews =
  | { readonly kind: "state"; readonly state: string; readonly reason?: string }
  /** The cursor was committed: it is the active one. */
  | { readonly kind: "committed" }
  /** The first output under a token was acknowledged. */
  | { readonly kind: "output"; readonly token: number };

/** With its own `now()`. */
export interface ConsumerReport {
  readonly at: number;
  readonly news: ConsumerNews;
}

/** The spaces that are consumed, and their segments. */
export const INPUTS: Readonly<Record<string, readonly string[]>> = {
  orders: ["o-1", "o-2", "o-3", "o-4"],
  payments: ["p-1", "p-2", "p-3"],
  parcels: ["q-1", "q-2", "q-3"],
};

/** Where handlers write: per segment of an input, a segment of the same name; and one that says who has taken over. */
export const OUTPUT = "handled";
export const TAKEOVERS = "takeovers";

/** One entry of an input: unique. */
export interface Input {
  readonly id: string;
}

/** One entry of the output: an input was handled, or, without one, a process has taken over. */
export interface Output {
  readonly process: string;
  readonly token: number;
  readonly input?: InputEntry;
}

/** An input where it is. */
export interface InputEntry extends Input {
  readonly space: string;
  readonly segment: string;
  readonly sequence: number;
}
