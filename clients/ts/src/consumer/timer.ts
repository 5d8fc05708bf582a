import { LONGEST_TIMER_MILLIS } from "../options.ts";

/** A time for a timer; `Infinity` is the longest one. */
export function timerMillis(millis: number): number {
  return Math.min(millis, LONGEST_TIMER_MILLIS);
}
