import type { Period } from "../../peers/peer.ts";

/** Times that a period is doubled before it is given up. */
const DOUBLINGS = 5;

/**
 * Measures something in a period, and again in twice the time when nothing happened in it: on a machine that others use
 * too, it may stand still for longer than a short run lasts.
 *
 * @param measure gets the period, and how often something was measured before
 * @param commits how many commits a result has
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
