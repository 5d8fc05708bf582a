import { StreamkitError } from "../errors/error.ts";
import type { Entry } from "../read/entry.ts";
import { backoffMillis, delay } from "../retry/backoff.ts";
import { timerMillis } from "../silence.ts";
import { checkDecision, type FailureDecision, type HandlerFailure } from "./options.ts";

const MAX_ATTEMPTS = 5;

/**
 * Five attempts, then the consumer stops; at once where another attempt cannot help, since the codec would fail again.
 */
export function defaultDecision({
  attempt,
  error,
}: Pick<HandlerFailure<unknown>, "attempt" | "error">): FailureDecision {
  const isFinal = error instanceof StreamkitError && error.reason === "CODEC_FAILED";
  return attempt < MAX_ATTEMPTS && !isFinal ? "retry" : "stop";
}

/** What became of entries. */
export type Outcome<Out> =
  | { readonly as: "handled" }
  /** Some, or all, were given up; of the others nothing is known. */
  | { readonly as: "skip" | "park"; readonly error: unknown; readonly entries: readonly Entry<Out>[] }
  /** Not handled, and not to be tried again before the next start. */
  | { readonly as: "left" };

/** What ends the handling of entries. */
export interface Endings {
  /** Nothing may be done any more. */
  readonly signal: AbortSignal;
  /** No more attempts are to be begun. Fires with `signal`, too. */
  readonly ending: AbortSignal;
}

/**
 * Handles entries until that succeeds, somebody decides otherwise, or the consumer stops.
 *
 * @throws what the handler threw, when the decision is to stop; the reason of `signal` when it fires
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
      // What fails because the lease is gone is no fault of the entries.
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
 * The one entry that the codec could not decode, where that is why the handler failed. The handler may have wrapped the
 * error.
 */
function undecodable<Out>(thrown: unknown, entries: readonly Entry<Out>[]): readonly Entry<Out>[] | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const found = error instanceof StreamkitError ? entries.find((entry) => entry === error.entry) : undefined;
    if (found !== undefined) return [found];
  }
  return undefined;
}
