import { expect, it } from "vitest";
import { Slots } from "./slots.ts";

it("runs at most its number of tasks at a time, in order, and continues after a failure", async () => {
  const slots = new Slots(2);
  const started: number[] = [];
  const ends: (() => void)[] = [];
  const work = (index: number) =>
    slots.run(async () => {
      started.push(index);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (index === 0) throw new Error("for the test");
    });
  const running = [0, 1, 2, 3].map((index) => work(index).catch(() => undefined));
  expect(started).toEqual([0, 1]);
  ends[0]?.();
  await running[0];
  expect(started).toEqual([0, 1, 2]);
  ends[1]?.();
  await running[1];
  expect(started).toEqual([0, 1, 2, 3]);
  for (const end of ends) end();
  await Promise.all(running);
});
