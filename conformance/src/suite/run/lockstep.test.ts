import { expect, it } from "vitest";
import { Lockstep } from "./lockstep.ts";

it("acts once per gap, when all entered cases have arrived", async () => {
  const log: string[] = [];
  const lockstep = new Lockstep(async () => void log.push("restart"));
  const story = async (name: string, steps: number): Promise<void> => {
    for (let step = 1; step <= steps; step++) {
      if (step > 1) await lockstep.gap();
      log.push(`${name}${step}`);
    }
    lockstep.leave();
  };
  lockstep.enter();
  lockstep.enter();
  await Promise.all([story("a", 3), story("b", 2)]);
  expect(log).toEqual(["a1", "b1", "restart", "a2", "b2", "restart", "a3"]);
});

it("rejects all waiting cases if the action fails", async () => {
  const lockstep = new Lockstep(() => Promise.reject(new Error("it does not start")));
  lockstep.enter();
  await expect(lockstep.gap()).rejects.toThrow("it does not start");
});
