import { afterEach, beforeEach, vi } from "vitest";

/** In each test of the file, time passes only with `pass`. */
export function holdTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/** Runs everything that is due, answers of a server in the same process included. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 25; turn++) await new Promise(setImmediate);
}

/** Lets time pass in steps of 100 ms, and runs everything that is due after each step. */
export async function pass(millis: number): Promise<void> {
  for (let left = millis; left > 0; left -= 100) {
    await vi.advanceTimersByTimeAsync(Math.min(100, left));
    await settle();
  }
}
