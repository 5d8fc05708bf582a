import { expect, it } from "vitest";
import { SharedRun } from "./shared-run.ts";

/** A shared run whose actions end when the test decides. */
function controlled() {
  const begun: { urgent: boolean; end: (value: number) => void; fail: (error: Error) => void }[] = [];
  const shared = new SharedRun<number>((urgent) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    begun.push({ urgent, end: resolve, fail: reject });
    return promise;
  });
  return { shared, begun };
}

it("gives every caller a run that begins after its call, and all waiting callers the same run", async () => {
  const { shared, begun } = controlled();
  const first = shared.run();
  const second = shared.run();
  const third = shared.run(true);
  expect(begun.length).toBe(1);
  begun[0].end(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(begun.map(({ urgent }) => urgent)).toEqual([false, true]);
  const fourth = shared.run();
  begun[1].end(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  await Promise.resolve();
  begun[2].end(3);
  expect(await fourth).toBe(3);
  expect(begun.map(({ urgent }) => urgent)).toEqual([false, true, false]);
});

it("never has two concurrent runs", async () => {
  let running = 0;
  let most = 0;
  let runs = 0;
  const shared = new SharedRun<number>(async () => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return ++runs;
  });
  const callers = Array.from({ length: 200 }, async (_, index) => {
    for (let turn = 0; turn < index % 7; turn++) await Promise.resolve();
    const before = runs;
    expect(await shared.run()).toBeGreaterThan(before);
  });
  await Promise.all(callers);
  expect(most).toBe(1);
  expect(runs).toBeLessThan(20);
});

it("reports a failure only to the callers of its run", async () => {
  const { shared, begun } = controlled();
  const first = shared.run();
  const second = shared.run();
  begun[0].fail(new Error("out of reach"));
  await expect(first).rejects.toThrow("out of reach");
  await Promise.resolve();
  begun[1].end(2);
  expect(await second).toBe(2);
});
