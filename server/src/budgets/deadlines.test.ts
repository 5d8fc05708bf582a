import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Deadlines } from "./deadlines.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("a deadline passes once, unless it is disposed, and no timer is left", () => {
  const deadlines = new Deadlines(800);
  const late: string[] = [];
  const first = deadlines.begin(() => late.push("first"));
  deadlines.begin(() => late.push("second"));
  vi.advanceTimersByTime(400);
  deadlines.begin(() => late.push("third"));
  first[Symbol.dispose]();
  vi.advanceTimersByTime(399);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(101);
  expect(late).toEqual(["second"]);
  vi.advanceTimersByTime(1_000);
  expect(late).toEqual(["second", "third"]);
  expect(vi.getTimerCount()).toBe(0);
});
