import type { ConsumerNews, InputEntry, Output } from "./settings.ts";

/** The events of a run in plain values: the input of the checker. Times are milliseconds on one monotonic clock. */
export interface SoakHistory {
  readonly ttl: number;
  /** Time limit of a call in milliseconds. */
  readonly callMillis: number;
  readonly events: readonly SoakEvent[];
  /** Ids of the inputs whose appends were acknowledged. */
  readonly acked: readonly string[];
  /** The stored entries at the end: inputs in the order of their segments, outputs in the order of their space. */
  readonly inputs: readonly InputEntry[];
  readonly outputs: readonly Output[];
}

export type SoakEvent = { readonly at: number } & (
  | ({ readonly process: string } & ConsumerEvent)
  | { readonly instance: number; readonly kind: "down" | "up"; readonly how: "kill" | "freeze" }
);

export type ConsumerEvent =
  | ConsumerNews
  /** The nemesis did this to the process. */
  | { readonly kind: "killed" | "frozen" | "thawed" }
  /** The process ended, and nothing of the test had ended it. */
  | { readonly kind: "died"; readonly how: string };
