/**
 * Sets the wall clock of this process to that of the machine and some minutes: what a machine with a wrong clock has,
 * and, when it is set again, one whose clock is corrected while it runs (fault 18). The monotonic clock and timers go
 * on as they are.
 */
export function setWallClock(offsetMillis: number): void {
  Date.now = () => machineNow() + offsetMillis;
}

const machineNow = Date.now.bind(Date);
