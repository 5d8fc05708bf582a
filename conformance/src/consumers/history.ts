import type { ConsumerNews, InputEntry, Output } from "./settings.ts";

/** What happened, in plain values: the input of the checker. Times are milliseconds on one monotonic clock. */
export interface SoakHistory {
  readonly ttl: number;
  /** How long a call may take before it is made again, elsewhere. */
  readonly callMillis: number;
  readonly events: readonly SoakEvent[];
  /** Ids of the inputs that writers were told are stored. */
  readonly acked: readonly string[];
  /** What is stored in the end: of inputs, in the order of each segment; of the output, in the order of its space. */
  readonly inputs: readonly InputEntry[];
  readonly outputs: readonly Output[];
}

export type SoakEvent = { readonly at: number } & (
  | ({ readonly process: string } & ConsumerEvent)
  | { readonly instance: number; readonly kind: "down" | "up"; readonly how: "kill" | "freeze" }
);

export type ConsumerEvent =
  | ConsumerNews
  /** What was done to it. */
  | { readonly kind: "killed" | "frozen" | "thawed" }
  /** It ended, and nobody had killed it or told it to. */
  | { readonly kind: "died"; readonly how: string };
