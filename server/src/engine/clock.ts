import { defect } from "../errors.ts";

/**
 * Returns the time in microseconds since 1970. It need not be monotonic: the order of commits does not depend on it.
 */
export type Clock = () => number;

/**
 * Latest time that a clock may return. Numbers of microseconds are exact until the year 2255. The room above this value
 * is for spaces whose last commit has reached it.
 */
const LATEST_CLOCK_MICROS = 2 ** 53 - 2 ** 43;

/**
 * Returns the time of a commit (G2): the time of the clock, or a microsecond after the previous commit if that is
 * later.
 *
 * @param last time of the previous commit, in microseconds since 1970
 * @param now time of the clock, in microseconds since 1970
 * @throws ServerError INTERNAL if the clock is outside 1970 to 2255, or if the space has no later time left
 */
export function commitTimeAfter(last: number, now: number): number {
  if (!(now >= 0 && now <= LATEST_CLOCK_MICROS)) {
    const said = Number.isFinite(now) ? `${Math.round(now)} microseconds since 1970` : String(now);
    throw defect(`the clock of the server says ${said}; commit times go from 1970 to 2255: set the clock`);
  }
  const time = Math.max(Math.floor(now), last + 1);
  if (time > Number.MAX_SAFE_INTEGER)
    throw defect("this space has no commit times left: the latest possible one is in the year 2255");
  return time;
}

/**
 * The wall clock ticks in milliseconds. If the two clocks differ by more than this, one of them was set or has drifted.
 */
const TOLERANCE_MICROS = 2_000;

/**
 * The clock of this machine. The wall clock gives the milliseconds, and the monotonic clock the microseconds within
 * them, so that commits to different spaces rarely have the same time.
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
