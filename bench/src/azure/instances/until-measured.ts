import type { Period } from "../../peers/peer.ts";

/** Number of times that a period is doubled before the measurement fails. */
const DOUBLINGS = 5;

/**
 * Measures in a period, and again in twice the time if no commit happened in it. On a shared machine, everything may
 * stop for longer than a short run lasts.
 *
 * @param measure gets the period, and the number of earlier measurements
 * @param commits returns the number of commits in a result
 */
export async function untilMeasured<Result>(
  period: Period,
  measure: (period: Period, attempt: number) => Promise<Result>,
  commits: (result: Result) => number,
): Promise<Result> {
  let current = period;
  for (let attempt = 0; attempt <= DOUBLINGS; attempt++) {
    const result = await measure(current, attempt);
    if (commits(result) > 0) return result;
    current = { ...current, millis: current.millis * 2 };
  }
  throw new Error(`nothing was committed in ${current.millis / 2} ms`);
}
