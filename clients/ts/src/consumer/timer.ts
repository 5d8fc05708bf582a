/** Longest time of a timer, in milliseconds: 24.8 days. One that is to take longer fires at once. */
const LONGEST_MILLIS = 2 ** 31 - 1;

/** A time for a timer; `Infinity` is the longest one. */
export function timerMillis(millis: number): number {
  return Math.min(millis, LONGEST_MILLIS);
}
