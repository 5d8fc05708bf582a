import fc from "fast-check";
import { expect, it } from "vitest";
import { Progress } from "./progress.ts";

it("the position is right before the first entry that is not handled, whatever the order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 40 }),
      fc.infiniteStream(fc.nat()),
      (sizes, dice) => {
        const progress = new Progress(10);
        let last = 10;
        const open = sizes.map((size) => {
          last += size;
          return { last, done: progress.begin(last) };
        });
        const left = [...open];
        while (left.length > 0) {
          const [piece] = left.splice((dice.next().value as number) % left.length, 1);
          piece.done();
          const first = open.find((each) => left.includes(each));
          const before = first === undefined ? last : (open[open.indexOf(first) - 1]?.last ?? 10);
          expect(progress.position).toBe(before);
        }
      },
    ),
  );
});

it("what was trimmed is passed over, once everything before it is handled", () => {
  const progress = new Progress(0);
  const done = progress.begin(5);
  progress.reached(21);
  expect(progress.position).toBe(0);
  done();
  expect(progress.position).toBe(20);
  progress.reached(11);
  expect(progress.position).toBe(20);
});

it("keeps no more than what is open, also while one entry is tried again and again", () => {
  const progress = new Progress(0);
  const held = () => progress.size;
  let before = () => {};
  for (let at = 1; at <= 100_000; at++) {
    const done = progress.begin(at);
    before();
    before = done;
  }
  expect(progress.position).toBe(99_999);
  expect(held()).toBe(1);
  for (let at = 100_001; at <= 200_000; at++) progress.begin(at)();
  expect(progress.position).toBe(99_999);
  expect(held()).toBe(1);
  before();
  expect(progress.position).toBe(200_000);
});
