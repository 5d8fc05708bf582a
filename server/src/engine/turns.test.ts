import { expect, it } from "vitest";
import { Turns } from "./turns.ts";

/** Resolves after all promises that are already settled. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

it("gives turns of a key one at a time, in order", async () => {
  const turns = new Turns<string>();
  const first = await turns.take("a");
  expect(first).toMatchObject({ waited: false, baton: undefined });
  const given: number[] = [];
  const waiting = [1, 2].map(async (number) => {
    const turn = await turns.take("a");
    given.push(number);
    return turn;
  });
  await settled();
  expect(given).toEqual([]);
  first.pass("from the first");
  first[Symbol.dispose]();
  await settled();
  expect(given).toEqual([1]);
  const second = await waiting[0];
  expect(second).toMatchObject({ waited: true, baton: "from the first" });
  second[Symbol.dispose]();
  const third = await waiting[1];
  expect(third).toMatchObject({ waited: true, baton: undefined });
  third[Symbol.dispose]();
  expect(given).toEqual([1, 2]);
});

it("an ended turn blocks no other, and neither does one of another key", async () => {
  const turns = new Turns<string>();
  const first = await turns.take("a");
  first.pass("nobody waits");
  expect((await turns.take("b")).waited).toBe(false);
  first[Symbol.dispose]();
  expect(await turns.take("a")).toMatchObject({ waited: false, baton: undefined });
});
