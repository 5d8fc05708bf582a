import { expect, test } from "vitest";
import { insertRegions, region } from "./regions.ts";

const SOURCE = `import a from "a";
// #region whole
function f() {
  // #region body
  const a = 1;

  return a;
  // #endregion body
}
// #endregion whole
`;

test("a region consists of the lines between its marks, without the common indentation", () => {
  expect(region(SOURCE, "body")).toBe("const a = 1;\n\nreturn a;");
  expect(region(SOURCE, "whole")).toContain("function f() {");
});

test("a region that does not exist, or does not end, is an error", () => {
  expect(() => region(SOURCE, "bod")).toThrow('no region "bod"');
  expect(() => region("// #region x\n", "x")).toThrow('no region "x"');
});

test("a block after a mark is replaced, dollar signs included, and every other block stays", () => {
  const source = "// #region price\nconst price = `$${cents} $&`;\n// #endregion price\n";
  const document = "```ts\nmine\n```\n\n<!-- insert a.ts#price -->\n```ts\nold\n```\n\n```sh\ncurl\n```\n";
  const expected = document.replace("old", () => "const price = `$${cents} $&`;");
  const inserted = insertRegions(document, () => source);
  expect(inserted).toBe(expected);
  expect(insertRegions(inserted, () => source)).toBe(inserted);
});

test("a mark without a region is an error that names the file", () => {
  const document = "<!-- insert a.ts#gone -->\n```ts\n```\n";
  expect(() => insertRegions(document, () => SOURCE)).toThrow('a.ts: there is no region "gone"');
});
