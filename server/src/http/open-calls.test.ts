import { expect, it, vi } from "vitest";
import { OpenCalls } from "./open-calls.ts";

async function isSettled(wait: Promise<void>): Promise<boolean> {
  return Promise.race([wait.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
}

it("waits for the calls that are open, and for no later ones", async () => {
  const calls = new OpenCalls();
  const [first, second] = [calls.open(), calls.open()];
  const wait = calls.settled(60_000);
  const later = calls.open();
  first();
  first();
  expect(await isSettled(wait)).toBe(false);
  second();
  expect(await isSettled(wait)).toBe(true);
  later();
  expect(await isSettled(calls.settled(60_000))).toBe(true);
});

it("waits no longer than it is told to", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const calls = new OpenCalls();
  calls.open();
  const wait = calls.settled(500);
  vi.advanceTimersByTime(499);
  expect(await isSettled(wait)).toBe(false);
  vi.advanceTimersByTime(1);
  expect(await isSettled(wait)).toBe(true);
  vi.useRealTimers();
});
