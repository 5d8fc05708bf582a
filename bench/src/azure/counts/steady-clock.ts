import type { Clock } from "@streamkit/server";

/**
 * A clock that advances by a millisecond with every reading. Times are stored in as few bytes as they need, so equal
 * byte counts require equal times.
 */
export function steadyClock(): Clock {
  let microseconds = Date.UTC(2026, 0, 1) * 1_000;
  return () => {
    microseconds += 1_000;
    return microseconds;
  };
}
