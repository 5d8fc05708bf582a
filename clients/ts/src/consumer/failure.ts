import { StreamkitError } from "../errors/error.ts";
import type { Entry } from "../read/entry.ts";
import { backoffMillis, delay } from "../retry/backoff.ts";
import { timerMillis } from "../silence.ts";
import { checkDecision, type FailureDecision, type HandlerFailure } from "./options.ts";

const MAX_ATTEMPTS = 5;

/**
 * The default of `onFailure`: "stop" after five attempts, or at once after CODEC_FAILED, since the codec fails again.
 */
export function defaultDecision({
  attempt,
  error,
}: Pick<HandlerFailure<unknown>, "attempt" | "error">): FailureDecision {
  const isFinal = error instanceof StreamkitError && error.reason === "CODEC_FAILED";
  return attempt < MAX_ATTEMPTS && !isFinal ? "retry" : "stop";
}

/** The outcome of handling entries. */
export type Outcome<Out> =
  | { readonly as: "handled" }
  /** `entries` are given up. They may be a part of the batch; its other entries are not handled yet. */
  | { readonly as: "skip" | "park"; readonly error: unknown; readonly entries: readonly Entry<Out>[] }
  /** Not handled. The next start delivers the entries again. */
  | { readonly as: "left" };

/** Signals that end the handling of entries. */
export interface Endings {
  /** Fires when handling must end at once. */
  readonly signal: AbortSignal;
  /** Fires when no more attempts may start. Fires also when `signal` does. */
  readonly ending: AbortSignal;
}

/**
 * Handles entries until the handler succeeds, `decide` gives up, or the consumer stops.
 *
 * @throws the handler's error if the decision is "stop"; the reason of `signal` when it fires
 */
export async function handleWithRetries<Out>(
  entries: HandlerFailure<Out>["entries"],
  handle: (attempt: number) => unknown,
  decide: (failure: HandlerFailure<Out>) => FailureDecision | Promise<FailureDecision>,
  { signal, ending }: Endings,
): Promise<Outcome<Out>> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      await handle(attempt);
      return { as: "handled" };
    } catch (error) {
      // A failure because of a lost lease is no fault of the entries.
      signal.throwIfAborted();
      if (error instanceof StreamkitError && (error.reason === "FENCED" || error.reason === "LEASE_LOST")) throw error;
      const failed = undecodable(error, entries) ?? entries;
      const decision = await decide({ error, entries: failed, attempt });
      checkDecision(decision);
      if (decision === "skip" || decision === "park") return { as: decision, error, entries: failed };
      if (decision === "stop") throw error;
      const pause =
        decision === "retry" ? backoffMillis(attempt, { initialDelayMillis: 100 }) : decision.retryAfterMillis;
      await delay(timerMillis(pause), ending).catch(() => {});
      signal.throwIfAborted();
      if (ending.aborted) return { as: "left" };
    }
  }
}

/**
 * The entry that the codec could not decode, if that is why the handler failed. The handler may have wrapped the error
 * of the codec.
 */
function undecodable<Out>(thrown: unknown, entries: readonly Entry<Out>[]): readonly Entry<Out>[] | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const found = error instanceof StreamkitError ? entries.find((entry) => entry === error.entry) : undefined;
    if (found !== undefined) return [found];
  }
  return undefined;
}
