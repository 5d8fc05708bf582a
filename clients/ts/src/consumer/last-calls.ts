/**
 * Time for each of the last calls after the end of the grace, in milliseconds: the commit, and the return of the lease.
 */
const LAST_CALLS_MILLIS = 1_000;

/**
 * Limits the last calls of a consumer. `overdue` fires `LAST_CALLS_MILLIS` after `aborting` has fired, or after the
 * call of this function if that is later.
 *
 * @returns the function that removes the limit
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
