/**
 * How long the last calls may take once the grace is over, in milliseconds: the commit, and then giving the lease back.
 */
const LAST_CALLS_MILLIS = 1_000;

/**
 * Puts an end to the last calls of a consumer: a while after its grace is over, and not before this while has passed
 * since the call of this function. Without the end of a grace, never.
 *
 * @returns what takes that back
 */
export function limitLastCalls(aborting: AbortSignal, overdue: AbortController): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const begin = () => {
    timer = setTimeout(() => overdue.abort(aborting.reason), LAST_CALLS_MILLIS);
  };
  if (aborting.aborted) begin();
  else aborting.addEventListener("abort", begin, { once: true });
  return () => {
    clearTimeout(timer);
    aborting.removeEventListener("abort", begin);
  };
}
