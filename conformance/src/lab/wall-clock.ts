/**
 * Sets the wall clock of this process apart from that of the machine, as on a machine with a wrong clock. A second call
 * corrects the clock while the process runs (fault 18). The monotonic clock and timers do not change.
 */
export function setWallClock(offsetMillis: number): void {
  Date.now = () => machineNow() + offsetMillis;
}

const machineNow = Date.now.bind(Date);
