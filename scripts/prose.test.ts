import { expect, it } from "vitest";
import { addComments, commentLines, countDocument, per1000, weakDocument } from "./prose.ts";

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

const DOCUMENT = [
  "# What waits",
  "",
  'Whoever waits sees what is new, `who` knows, and a lease whose end is near. Not "what is refused".',
  "",
  "    what an output says",
  "",
  "```sh",
  "echo what",
  "```",
  "<!-- what nobody reads -->",
].join("\n");

it("counts weak words of documents outside of code, comments and quotations", () => {
  expect(countDocument(DOCUMENT)).toEqual({ words: 17, weak: 3 });
});

it("refuses a document with more of them than allowed, but not for a single one", () => {
  expect(weakDocument("docs/a.md", DOCUMENT)).toMatch(
    /^docs\/a\.md: 176.5 of "who" and "what" per 1,000 words, at most 4/,
  );
  expect(weakDocument("docs/a.md", DOCUMENT, 200)).toBeUndefined();
  expect(weakDocument("docs/a.md", "What is new.")).toBeUndefined();
  expect(weakDocument("docs/a.md", `${"word ".repeat(500)} who and what`)).toBeUndefined();
  expect(weakDocument("docs/a.md", `${"word ".repeat(400)} who and what`)).toBeDefined();
});
