import { expect, test } from "vitest";
import { Screen } from "./screen.ts";

function paper(isTTY: boolean) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  return { written, screen: new Screen({ isTTY, columns: 10, rows: 4, write } as never) };
}

test("on a terminal, a picture replaces the previous one, and is never larger than the window", () => {
  const { written, screen } = paper(true);
  screen.show(["one"], "-");
  screen.show(["one", "two", "three", "four"], "-");
  screen.show(["a line that is too long"], "-");
  screen.show([], "-");
  expect(written).toEqual([
    "\x1b[Jone\n",
    "\x1b[1A\x1b[Jone\ntwo\nthree\n",
    "\x1b[3A\x1b[Ja line tha\n",
    "\x1b[1A\x1b[J",
  ]);
});

test("elsewhere, only the news is written", () => {
  const { written, screen } = paper(false);
  screen.show(["one"], "first");
  screen.show(["one", "two"], "second");
  expect(written).toEqual(["first\n", "second\n"]);
});
