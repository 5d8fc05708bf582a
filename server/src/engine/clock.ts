/** Tells the time in microseconds since 1970. Need not be monotonic: commits do not depend on it for order. */
export type Clock = () => number;

/** The clock of this machine. Millisecond resolution is enough: commit times are made strictly increasing anyway. */
export const systemClock: Clock = () => Date.now() * 1_000;
