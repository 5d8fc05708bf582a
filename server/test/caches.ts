import { expect } from "vitest";
import { cacheBudget } from "../src/memory-budget.ts";

/** Takes the memory of every cache of the process, and gives it back at once. */
export function takeAllCaches(): void {
  const hog = {
    bytes: 1024 * 1024 * 1024,
    dropOldest() {
      this.bytes = 0;
    },
  };
  cacheBudget.grown(hog);
  expect(cacheBudget.bytes).toBe(0);
}
