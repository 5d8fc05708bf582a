/**
 * A moment on two clocks. Neither alone will do: the monotonic one stands still while a machine sleeps, the other one
 * is set.
 */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** Milliseconds, both. What a test replaces. */
export interface Clocks {
  monotonic(): number;
  wall(): number;
}

export const systemClocks: Clocks = { monotonic: () => performance.now(), wall: () => Date.now() };

export function momentOf(clocks: Clocks): Moment {
  return { monotonic: clocks.monotonic(), wall: clocks.wall() };
}

/** How much time has passed, in milliseconds: as much as either clock says, which is never too little. */
export function elapsedSince(moment: Moment, clocks: Clocks): number {
  return Math.max(clocks.monotonic() - moment.monotonic, clocks.wall() - moment.wall);
}
