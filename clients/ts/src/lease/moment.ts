/**
 * A moment on two clocks. Neither suffices alone: the monotonic clock may stand still while the machine sleeps, and an
 * operator may set the wall clock.
 */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** Two clocks, in milliseconds. Tests replace them. */
export interface Clocks {
  monotonic(): number;
  wall(): number;
}

export const systemClocks: Clocks = { monotonic: () => performance.now(), wall: () => Date.now() };

export function momentOf(clocks: Clocks): Moment {
  return { monotonic: clocks.monotonic(), wall: clocks.wall() };
}

/** The time since a moment, in milliseconds: the longer one of both clocks, so that it is never too short. */
export function elapsedSince(moment: Moment, clocks: Clocks): number {
  return Math.max(clocks.monotonic() - moment.monotonic, clocks.wall() - moment.wall);
}
