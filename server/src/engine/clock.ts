/** Tells the time in microseconds since 1970. Need not be monotonic: commits do not depend on it for order. */
export type Clock = () => number;

/** The wall clock ticks in milliseconds; further off than this, it was set, or the other one drifted. */
const TOLERANCE = 2_000;

/**
 * The clock of this machine. The wall clock gives the time, the monotonic one the microseconds within its milliseconds,
 * so that commits to different spaces rarely have the same time.
 */
export const systemClock: Clock = (() => {
  let anchor = Date.now() * 1_000 - performance.now() * 1_000;
  return () => {
    const wall = Date.now() * 1_000;
    let time = anchor + performance.now() * 1_000;
    if (Math.abs(time - wall) > TOLERANCE) {
      anchor += wall - time;
      time = wall;
    }
    return Math.floor(time);
  };
})();
