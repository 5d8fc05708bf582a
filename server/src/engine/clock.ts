import { defect } from "../errors.ts";

/** Tells the time in microseconds since 1970. Need not be monotonic: commits do not depend on it for order. */
export type Clock = () => number;

/**
 * Times are counted in numbers that are exact up to the year 2255. What is left behind this one is for spaces that got
 * here.
 */
const LATEST_CLOCK_MICROS = 2 ** 53 - 2 ** 43;

/**
 * The time of a commit (G2): that of the clock, and later than the commit before.
 *
 * @param now what the clock says; microseconds since 1970, as `last`
 * @throws ServerError INTERNAL for a clock that says what is no time, or one that would leave no room for later commits
 */
export function commitTimeAfter(last: number, now: number): number {
  if (!(now >= 0 && now <= LATEST_CLOCK_MICROS)) {
    const said = Number.isFinite(now) ? `${Math.round(now)} microseconds since 1970` : String(now);
    throw defect(`the clock of the server says ${said}; commit times go from 1970 to 2255: set the clock`);
  }
  const time = Math.max(Math.floor(now), last + 1);
  if (time > Number.MAX_SAFE_INTEGER)
    throw defect("the commit times of this space have come to their end, in the year 2255");
  return time;
}

/** The wall clock ticks in milliseconds; further off than this, it was set, or the other one drifted. */
const TOLERANCE_MICROS = 2_000;

/**
 * The clock of this machine. The wall clock gives the time, the monotonic one the microseconds within its milliseconds,
 * so that commits to different spaces rarely have the same time.
 */
export const systemClock: Clock = (() => {
  let anchor = Date.now() * 1_000 - performance.now() * 1_000;
  return () => {
    const wall = Date.now() * 1_000;
    let time = anchor + performance.now() * 1_000;
    if (Math.abs(time - wall) > TOLERANCE_MICROS) {
      anchor += wall - time;
      time = wall;
    }
    return Math.floor(time);
  };
})();
