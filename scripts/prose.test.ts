import { expect, it } from "vitest";
import { addComments, commentLines, per1000 } from "./prose.ts";

const SOURCE = [
  "/** What it is, and who",
  " * asks for it. */",
  'const what = "who";',
  "// Whatever comes, whose it is.",
  `  // ${"x".repeat(120)}`,
  `const wide = "${"y".repeat(120)}";`,
].join("\n");

it("finds the lines of comments", () => {
  expect(commentLines(SOURCE)).toHaveLength(4);
  expect(commentLines("/* one */\nconst a = 1;")).toEqual(["/* one */"]);
});

it("counts weak words and wide lines of comments only", () => {
  const count = { words: 0, weak: 0, wide: 0 };
  addComments(count, SOURCE);
  expect(count).toEqual({ words: 14, weak: 4, wide: 1 });
  expect(per1000(count)).toBe(285.7);
});
