import type { Clock } from "@streamkit/server";

/**
 * A clock that goes on by a millisecond with every look at it. Times are stored in as few bytes as they need, so that
 * bytes are only the same each time if times are.
 */
export function steadyClock(): Clock {
  let microseconds = Date.UTC(2026, 0, 1) * 1_000;
  return () => {
    microseconds += 1_000;
    return microseconds;
  };
}
